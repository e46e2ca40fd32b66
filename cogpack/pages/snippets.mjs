// The same call, written for a shell and for Python. Files are named, secrets are variables of the environment.

import { Hidden, Upload } from "./values.mjs";

/** The name of the variable that has the secret input `name`. */
function variable(name) {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "_").replace(/^(?=[0-9])/, "_");
}

function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Write a value in a notation like JSON: `words` has its constants, `special` writes files and secrets. */
function written(value, words, special, indent) {
  if (value instanceof Upload || value instanceof Hidden) return special(value);
  if (value === null || typeof value === "boolean") return words[String(value)];
  if (typeof value === "string") return words.text(value);
  if (typeof value !== "object") return String(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inner = (item) => written(item, words, special, indent + words.step);
  const items = Array.isArray(value)
    ? value.map(inner)
    : Object.entries(value).map(([key, item]) => `${words.text(key)}: ${inner(item)}`);
  const line = open + items.join(", ") + close;
  if (line.length + indent.length < 72 && !line.includes("\n")) return line;
  return `${open}\n${items.map((item) => `${indent}${words.step}${item}`).join(",\n")}\n${indent}${close}`;
}

const JSON_WORDS = { null: "null", true: "true", false: "false", text: JSON.stringify, step: "  " };
const PYTHON_WORDS = { null: "None", true: "True", false: "False", text: JSON.stringify, step: "    " };

/** Each secret has its input's name here, and so its variable's. */
function named(values) {
  const names = new Map();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one instanceof Hidden) names.set(one, variable(name));
  }
  return names;
}

export function curl(server, values) {
  const names = named(values);
  const special = (one) => one instanceof Upload
    ? `"data:${one.type};base64,$(base64 -w0 ${shell(one.file.name)})"`
    : `"$${names.get(one)}"`;
  const head = `curl -sS ${server}/predictions \\\n  -H 'Content-Type: application/json' \\\n  -d`;
  const plain = written({ input: values }, JSON_WORDS, () => "", "");
  if (written({ input: values }, JSON_WORDS, special, "") === plain) return `${head} ${shell(plain)}`;
  // The shell expands what it finds in such a text, so what is to stay is escaped.
  const words = { ...JSON_WORDS, text: (text) => JSON.stringify(text).replace(/[\\`$]/g, "\\$&") };
  return `${head} @- <<END\n${written({ input: values }, words, special, "")}\nEND`;
}

export function python(server, values) {
  const names = named(values);
  const used = new Set(["json", "urllib.request"]);
  let files = false;
  const special = (one) => {
    if (one instanceof Upload) {
      files = true;
      used.add("base64");
      return `file(${JSON.stringify(one.file.name)}, ${JSON.stringify(one.type)})`;
    }
    used.add("os");
    return `os.environ[${JSON.stringify(names.get(one))}]`;
  };
  const inputs = written(values, PYTHON_WORDS, special, "");
  return [
    [...used].sort().map((name) => `import ${name}`).join("\n"),
    ...(files ? ["", "", "def file(path, media_type):", '    with open(path, "rb") as stream:',
      '        return f"data:{media_type};base64,{base64.b64encode(stream.read()).decode()}"', ""] : []),
    "",
    `inputs = ${inputs}`,
    "request = urllib.request.Request(",
    `    ${JSON.stringify(`${server}/predictions`)},`,
    '    json.dumps({"input": inputs}).encode(),',
    '    {"Content-Type": "application/json"},',
    ")",
    "with urllib.request.urlopen(request) as answer:",
    '    print(json.load(answer)["output"])',
  ].join("\n");
}

export function cogpack(reference, values) {
  const names = named(values);
  const words = [];
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) && value.length ? value : [value]) {
      if (one instanceof Upload) words.push(`-i ${shell(`${name}=@${one.file.name}`)}`);
      else if (one instanceof Hidden) words.push(`-i ${shell(name)}="$${names.get(one)}"`);
      else words.push(`-i ${shell(`${name}=${typeof one === "string" ? one : JSON.stringify(one)}`)}`);
    }
  }
  return [`cogpack run${reference ? ` ${shell(reference)}` : ""}`, ...words].join(" \\\n  ");
}
