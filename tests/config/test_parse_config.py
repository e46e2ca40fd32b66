"""`cog.yaml` as Cog reads it (docs/yaml.md of Cog), and our own `cogpack` mapping."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.config import Config, DebianChoice, RunStep, SecretMount, WeightSource
from cogpack.config.parse import parse_config
from cogpack.errors import InputError
from cogpack.notes import Code, Note

REAL = b"""\
# an ordinary project
build:
  gpu: yes
  cuda: 11.8
  python_version: 3.10
  system_packages:
    - "libgl1-mesa-glx"
    - ffmpeg
    - git=1:2.39.5-0+deb12u2
  python_packages:
    - "torch==2.0.1"
    - numpy==1.26.4
  run:
    - curl -o /usr/local/bin/pget -L "https://example.com/pget_linux_x86_64" && chmod +x /usr/local/bin/pget
    - command: pip install private
      mounts:
        - type: secret
          id: pip
          target: /etc/pip.conf
        - type: cache
          target: /root/.cache
  pre_install: ["echo done"]
  fast: false
image: "r8.im/someone/model"
predict: "predict.py:Predictor"
"""


def parse(text: str) -> Config:
    return parse_config(text.encode())


def fault(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.next_step
    return caught.value.message


def build(line: str) -> str:
    return f"build:\n  python_version: '3.13'\n  {line}\n"


def test_a_real_project_is_read_whole() -> None:
    config = parse_config(REAL)
    assert config.gpu
    assert config.cuda == "11.8"
    assert config.python_version == "3.10"
    assert config.system_packages == ("libgl1-mesa-glx", "ffmpeg", "git=1:2.39.5-0+deb12u2")
    assert config.python_packages == ("torch==2.0.1", "numpy==1.26.4")
    assert config.run[1:] == (
        RunStep(command="pip install private", secrets=(SecretMount(id="pip", target="/etc/pip.conf"),)),
        RunStep(command="echo done"),
    )
    assert config.image == "r8.im/someone/model"
    assert config.predict == "predict.py:Predictor"
    assert tuple(note.text for note in config.notes) == (
        "cog.yaml:23:3: build.fast: unknown key, ignored",
        "cog.yaml:10:3: build.python_packages: deprecated by Cog; python_requirements names a file instead",
        "cog.yaml:20:11: build.run[1].mounts[1]: mount of type 'cache' ignored; only secrets are mounted",
        "cog.yaml:22:16: build.pre_install: deprecated by Cog; its commands run after those of build.run",
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "{}", "build:\n", "predict:\n"])
def test_an_empty_file_is_an_empty_config(text: str) -> None:
    assert parse(text) == Config()


@pytest.mark.parametrize("written", ["3.10", "'3.10'", '"3.10"', " 3.10 ", "3.10.14", "3.14"])
def test_a_version_keeps_its_text(written: str) -> None:
    assert parse(f"build: {{python_version: {written}}}").python_version == written.strip(" '\"")


@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("on", True), ("True", True), ("no", False), ("OFF", False)]
)
def test_gpu_takes_the_words_of_yaml_1_1(word: str, value: bool) -> None:
    assert parse(build(f"gpu: {word}")).gpu is value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\nbuild:\n\n  python_version: 3.1\n",
            'cog.yaml:4:19: build.python_version: expected Python 3.10 or newer, such as "3.13", found 3.1',
        ),
        (
            "build: {python_version: '3.x'}",
            (
                'cog.yaml:1:25: build.python_version: expected MAJOR.MINOR or MAJOR.MINOR.PATCH such as "3.13", found '
                '"3.x"'
            ),
        ),
        ("build: {python_version: [3]}", "found a list"),
        (build('gpu: "true"'), 'cog.yaml:3:8: build.gpu: expected true or false, found "true"'),
        (build("gpu: 1"), "build.gpu: expected true or false, found 1"),
        (build("system_packages: ffmpeg"), "build.system_packages: expected a list, found ffmpeg"),
        (build("system_packages: ['a b']"), "build.system_packages[0]: expected the name of a Debian package"),
        (build("system_packages: [ok, --force]"), "build.system_packages[1]: expected"),
        (build("system_packages: [~]"), "found nothing"),
        (build("cuda: 10.2"), "build.cuda: expected a CUDA version of at least 11"),
        (build("cudnn: latest"), "build.cudnn: expected"),
        (build("sdk_version: 0.15.9"), "build.sdk_version: expected 0.16.0 or newer, found 0.15.9"),
        (build("sdk_version: newest"), "build.sdk_version: expected"),
        (build(f"sdk_version: {'9' * 6000}"), "build.sdk_version: expected"),
        (
            "cogpack: {weights: {layer_size: 999999999999999999}}",
            "cogpack.weights.layer_size: 999999999999999999 is too large",
        ),
        (build('run: ["a\\nb"]'), "build.run[0]: the command has more than one line"),
        (build("run: [{mounts: []}]"), "build.run[0]: command is missing"),
        (
            build("run:\n  - jq -n '{a: 1}' > /a"),
            'cog.yaml:4:5: build.run[0]: read as a key and a value, because of the ": "',
        ),
        (build("run: [{command: a, mounts: [{type: secret, id: x}]}]"), "build.run[0].mounts[0]: target is missing"),
        (build("python_requirements: a.txt\n  python_packages: [b]"), "stands beside python_requirements"),
        ("build: 3", "cog.yaml:1:8: build: expected a mapping, found 3"),
        ("- a", "cog.yaml:1:1: expected a mapping, found a list"),
        ("run: a.py:B\npredict: a.py:B", "cog.yaml:2:10: predict: stands beside run"),
        ("predict: predict.py", "expected FILE.py:NAME, found predict.py"),
        ("predict: a.py:b.py:C", "expected FILE.py:NAME"),
        ("predict: ../a.py:C", "outside the project"),
        ("predict: /a.py:C", "outside the project"),
        ("predict: 'a.py:2C'", "expected FILE.py:NAME"),
        ("image: UPPER/x", "cog.yaml:1:8: image"),
        ("model: a/b:tag", "has a tag or digest"),
        ("model: a/b\nimage: a/b", "model: stands beside image"),
        ("environment: [A=1, B]", "environment[1]: expected NAME=VALUE, found B"),
        ("environment: ['=1']", "expected NAME=VALUE"),
        ("environment: [A=1, A=2]", "environment[1]: A is set twice"),
        ("environment: [PATH=/x]", "PATH is set by the runtime"),
        ("environment: [CUDA_HOME=/x]", "CUDA_HOME is set by the runtime"),
        ("concurrency: {max: 0}", "concurrency.max: expected a whole number of at least 1, found 0"),
        ("concurrency: {max: 2}\nbuild: {python_version: '3.10'}", "need Python 3.11 or newer, found 3.10"),
        (
            "observability: {traces: {enabled: true}}\nbuild: {python_version: '3.13', sdk_version: 0.22.0}",
            "build.sdk_version: observability.traces needs 0.23.0 or newer, found 0.22.0",
        ),
        ("observability: {traces: {enabled: 'yes'}}", "observability.traces.enabled: expected true or false"),
        ("a: 1\nb: 2\na: 3", "cog.yaml:3:1: key 'a' stands on line 1 already"),
        ("x: {deep: {a: 1, a: 1}}", "key 'a' stands"),
        ("? [a]\n: b", "a key must be plain text"),
        ("a: &x 1\nc:\n  <<: *x", "cog.yaml:3:3: <<: expected a mapping or a list of mappings"),
        ("c:\n  <<: [{a: 1}, 2]", "cog.yaml:2:3: <<: expected a mapping or a list of mappings"),
        ("c: &x\n  d:\n    <<: *x", "cog.yaml:3:5: a mapping is merged into itself"),
        ("a: &x {}\nb:\n  <<: *x\n  <<: *x", "cog.yaml:4:3: key '<<' stands on line 3 already"),
        (
            "a: &x {python_version: '3.13',\n  gpu: maybe}\nbuild:\n  <<: *x",
            "cog.yaml:2:8: build.gpu: expected true or false, found maybe",
        ),
        ("a: b: c", "cog.yaml:1:5: not valid YAML"),
        ("a: 1\nb: [", "not valid YAML"),
        ("a: *nowhere", "not valid YAML"),
        ("a: 1\n---\nb: 2", "cog.yaml:2:1: a second document begins"),
        ("a: \x00", "cog.yaml:1:4: a control character, '\\x00'"),
        ("a: 1\r\nb: é\x07", "cog.yaml:2:5: a control character, '\\x07'"),
        ('predict: "a.py:\\0B"', "NUL"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(text: str, message: str) -> None:
    assert message in fault(text)


def test_a_key_that_has_one_below_it_is_told_with_that() -> None:
    with pytest.raises(InputError) as told:
        parse("concurrency: 32")
    assert told.value.next_step == "write concurrency: {max: 32}"
    with pytest.raises(InputError) as told:
        parse("observability: {traces: true}")
    assert told.value.next_step == "write traces: {enabled: true}"


@pytest.mark.parametrize(
    "text",
    [
        "observability: true",
        'concurrency: "a: b}"',
        'concurrency: ""',
        "concurrency: '4'",
        "concurrency: |\n  a\n  b",
        "concurrency: a b",
        "concurrency: [4]",
    ],
)
def test_what_is_no_value_of_the_key_below_is_told_without_it(text: str) -> None:
    with pytest.raises(InputError) as told:
        parse(text)
    assert told.value.next_step == 'write "key: value" lines'


def test_no_message_is_as_long_as_what_it_is_about() -> None:
    assert len(fault(f"? {'k' * 9000}\n: 1\n? {'k' * 9000}\n: 1\n")) < 300


def test_merge_keys_are_merged() -> None:
    config = parse(
        'common: &c\n  python_version: "3.13"\n  gpu: yes\nbuild:\n  <<: *c\n  gpu: false\npredict: a.py:B\n'
    )
    assert (config.python_version, config.gpu, config.notes) == ("3.13", False, ())


def test_of_merged_mappings_the_first_wins_and_one_may_be_merged_itself() -> None:
    config = parse(
        "a: &a {cuda: '11.8', cudnn: '8', gpu: yes}\nb: &b {<<: *a, cuda: '12.1'}\nc: &c {cuda: '12.8', cudnn: '9'}\n"
        "build: {<<: [*b, *c], python_version: '3.13', gpu: no}\n"
    )
    assert (config.cuda, config.cudnn, config.gpu) == ("12.1", "8", False)


def test_what_is_merged_comes_first_where_the_order_counts() -> None:
    config = parse("x: &x {'a*': none, 'b*': opaque}\ncogpack: {weights: {split: {c: tensor, <<: *x, 'a*': tensor}}}\n")
    assert config.pack.weights.split == (("b*", "opaque"), ("c", "tensor"), ("a*", "tensor"))


def test_a_merged_key_that_is_not_known_is_warned_of_where_it_stands() -> None:
    config = parse("x: &x\n  gpus: yes\nbuild:\n  <<: *x\n  python_version: '3.13'\n")
    assert config.notes == (
        Note(Code.MISSPELT_KEY, "cog.yaml:2:3: build.gpus: unknown key, ignored; did you mean gpu?"),
    )


def test_of_very_many_unknown_keys_some_are_told_and_the_rest_counted() -> None:
    keys = "".join(f"  key{n}: 1\n" for n in range(25))
    notes = [note.text for note in parse(f"build:\n{keys}").notes]
    assert notes[19:] == [
        "cog.yaml:21:3: build.key19: unknown key, ignored",
        "cog.yaml:2:3: build: 5 more unknown keys, ignored",
    ]


def test_a_chain_of_merges_ends() -> None:
    links = "".join(f"m{n}: &m{n} {{<<: *m{n - 1}, k{n}: 1}}\n" for n in range(1, 400))
    assert "more than 20000 values" in fault("m0: &m0 {k0: 1}\n" + links)
    assert "more than 20000 values" in fault(f"a: &a {{b: 1, c: 2}}\nd: {{<<: [{', '.join(['*a'] * 20_000)}]}}\n")


def test_a_package_is_named_by_line_and_by_column_where_others_stand_beside_it() -> None:
    config = parse_config(b"build:\n  system_packages: [git, 'libtag1-dev>=1.9']\n")
    assert config.system_packages == ("git", "libtag1-dev>=1.9")
    assert config.where("build.system_packages[1]") == "cog.yaml:2:26: build.system_packages[1]"
    assert config.line("build.system_packages[1]") == 2


def test_text_that_is_not_utf8_is_named_by_line() -> None:
    with pytest.raises(InputError, match=r"cog\.yaml:2:4: not UTF-8"):
        parse_config(b"a: 1\nb: \xff\n")


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_config(b"\xef\xbb\xbfpredict: a.py:B\n").predict == "a.py:B"


def test_unknown_keys_are_warned_of_with_the_nearest_known_one() -> None:
    assert parse("enviroment: [A=1]\n").notes == (
        Note(Code.MISSPELT_KEY, "cog.yaml:1:1: enviroment: unknown key, ignored; did you mean environment?"),
    )


def test_environment_values_are_kept_verbatim() -> None:
    config = parse('environment:\n  - \'A= x=1 "q" \'\n  - "B=two\\nlines"\n  - C=\n')
    assert config.environment == (("A", ' x=1 "q" '), ("B", "two\nlines"), ("C", ""))


def test_run_is_the_new_name_of_predict() -> None:
    assert parse("run: sub/run.py:Runner").predict == "sub/run.py:Runner"


def pinned_to(base: str) -> tuple[str | None, DebianChoice]:
    pack = parse(f"cogpack: {{base: '{base}'}}\n").pack
    return pack.base, pack.debian


def test_a_suite_that_no_image_can_be_made_of_is_told_with_those_that_can_and_the_name_of_dockers_image() -> None:
    with pytest.raises(InputError, match=r"expected one of debian, debian:slim, .*, found debian:buster") as caught:
        parse("cogpack: {base: debian:buster}\n")
    assert "docker.io/library/debian:buster" in caught.value.next_step


def test_the_cogpack_mapping_is_read() -> None:
    pack = parse(
        "cogpack:\n  base: localhost:5000/python:3.12-slim\n  platform: linux/arm64\n  compression: zstd\n"
        "  debian_mirror: http://localhost/debian/\n  exclude_newer: 2026-01-31T00:00:00Z\n"
        "  weights: {include: ['data/**'], exclude: [a.bin], min_size: 4096, compression: zstd}\n"
    ).pack
    assert pack.base == "localhost:5000/python:3.12-slim"
    assert (pack.platform, pack.compression) == ("linux/arm64", "zstd")
    assert pack.debian_mirror == "http://localhost/debian"
    assert pack.exclude_newer == "2026-01-31T00:00:00Z"
    assert (pack.debian, pinned_to("debian")) == (DebianChoice(), (None, DebianChoice()))
    assert pinned_to("debian:slim") == (None, DebianChoice(slim=True))
    assert pinned_to("debian:bookworm-slim") == (None, DebianChoice(suite="bookworm", slim=True))
    assert pinned_to("debian:trixie") == (None, DebianChoice(suite="trixie"))
    hub = "docker.io/library/debian:trixie"
    assert pinned_to(hub) == (hub, DebianChoice())
    pinned = parse("cogpack: {debian_snapshot: 2026-01-31, debian_base_from: ../base/cogpack.lock}\n").pack
    assert (pinned.debian_snapshot, pinned.debian_base_from) == ("2026-01-31T00:00:00Z", "../base/cogpack.lock")
    assert parse("cogpack: {exclude_newer: 2026-01-31}\n").pack.exclude_newer == pack.exclude_newer, (
        "a date is its midnight"
    )
    assert (pack.weights.include, pack.weights.exclude, pack.weights.min_size) == (("data/**",), ("a.bin",), 4096)
    assert (pack.weights.compression, parse("cogpack: {weights: {}}").pack.weights.compression) == ("zstd", "none")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bsae: x", "cog.yaml:2:3: cogpack.bsae: unknown key; did you mean base?"),
        ("weights: {inlcude: []}", "cogpack.weights.inlcude: unknown key; did you mean include?"),
        ("platform: linux/riscv64", "cogpack.platform: expected linux/amd64 or linux/arm64, found linux/riscv64"),
        ("compression: xz", "expected gzip or zstd"),
        ("base: 'a b'", "cogpack.base"),
        ("exclude_newer: 2026-01", "expected a date such as 2026-01-31, or a time such as 2026-01-31T00:00:00Z"),
        ("exclude_newer: 2026-02-31T00:00:00Z", "expected a date such as"),
        ("exclude_newer: 2026-02-31", "expected a date such as"),
        ("debian_snapshot: yesterday", "expected a date such as 2026-01-31, or a time such as 2026-01-31T00:00:00Z"),
        ("debian_base_from: ''", "cogpack.debian_base_from"),
        ("debian_mirror: ftp://x", "expected the http or https address"),
        ("debian_mirror: 'http://[::1'", "expected the http or https address"),
        ("debian_mirror: https://me:secret@x/debian", "without a password"),
        ("limits: {time: 1h}", "cogpack.limits.time: expected a whole number"),
        ("limits: {size: 0}", "cogpack.limits.size: expected a whole number of at least 1, found 0"),
        ("limits: {tiem: 3}", "cogpack.limits.tiem: unknown key; did you mean time?"),
        ("weights: {min_size: big}", "expected a whole number"),
        ("weights: {compression: gzip}", "cogpack.weights.compression: expected none or zstd, found gzip"),
        ("weights: {include: ['!a']}", "expected a file pattern"),
    ],
)
def test_mistakes_under_cogpack_are_errors(line: str, message: str) -> None:
    assert message in fault(f"cogpack:\n  {line}\n")


def test_limits_of_steps_that_are_not_named_are_the_usual_ones() -> None:
    limits = parse("cogpack: {limits: {size: 1000}}").pack.limits
    assert (limits.size, limits.time) == (1000, parse("").pack.limits.time)


@pytest.mark.parametrize("target", ["run", "dev", "sys/", "/run/x", "/", "//proc", "/run", ".", "..", "../a", "a/.."])
def test_only_an_absolute_target_of_a_secret_can_be_a_directory_of_the_machine(target: str) -> None:
    text = f"build:\n  run: [{{command: a, mounts: [{{type: secret, id: x, target: {target!r}}}]}}]\n"
    if target in ("run", "dev", "/run/x"):
        assert parse(text).run[0].secrets == (SecretMount(id="x", target=target),)
    else:
        assert "target: expected the path of a file" in fault(text)


def test_managed_weights_are_read() -> None:
    config = parse(
        "model: example.com/m\nweights:\n"
        "  - {name: base-1, target: /src/w//a/, source: {uri: 'hf://o/n', include: ['*.safetensors']}}\n"
        "  - {name: b, target: /data, source: [{uri: ./local}, {uri: 'https://h/f', exclude: [x]}]}\n"
    )
    assert [(w.name, w.target) for w in config.weights] == [("base-1", "/src/w/a"), ("b", "/data")]
    assert config.weights[0].sources == (WeightSource(uri="hf://o/n", include=("*.safetensors",)),)
    assert [s.uri for s in config.weights[1].sources] == ["./local", "https://h/f"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("[{target: /a, source: {uri: x}}]", "weights[0]: name is missing"),
        ("[{name: A, target: /a, source: {uri: x}}]", "weights[0].name: expected lowercase"),
        ("[{name: a, target: a, source: {uri: x}}]", "weights[0].target: expected an absolute path"),
        ("[{name: a, target: //, source: {uri: x}}]", "expected an absolute path"),
        ("[{name: a, target: /../, source: {uri: x}}]", "expected an absolute path"),
        ("[{name: a, target: /a, source: []}]", "expected at least one source"),
        ("[{name: a, target: /a, source: {}}]", "weights[0].source: uri is missing"),
        ("[{name: a, target: /a, source: {uri: 'ftp://x'}}]", "weights[0].source.uri: expected hf://"),
        ("[{name: a, target: /a, source: {uri: 'https://[x'}}]", "weights[0].source.uri: expected hf://"),
        ("[{name: a, target: /a, source: {uri: 'file:///x%00y'}}]", "weights[0].source.uri: expected hf://"),
        ("[{name: a, target: /a, source: {uri: x, include: ['!y']}}]", "expected a file pattern"),
        (
            "[{name: a, target: /a, source: {uri: x}}, {name: a, target: /b, source: {uri: x}}]",
            "weights[1]: name a stands twice",
        ),
        (
            "[{name: a, target: /a, source: {uri: x}}, {name: b, target: /a/b, source: {uri: x}}]",
            "weights[1]: target /a/b overlaps /a of a",
        ),
        (
            "[{name: a, target: /a/b, source: {uri: x}}, {name: b, target: /a, source: {uri: x}}]",
            "weights[1]: target /a overlaps /a/b of a",
        ),
        (
            "[{name: a, target: /a, source: {uri: x}}, {name: b, target: /a/, source: {uri: x}}]",
            "weights[1]: target /a overlaps /a of a",
        ),
    ],
)
def test_mistakes_in_managed_weights_are_errors(items: str, message: str) -> None:
    assert message in fault(f"model: example.com/m\nweights: {items}\n")


@pytest.mark.parametrize(
    "uri", ["hf://o/n@v1", "s3://bucket/llama/", "gs://bucket", "https://h/f", "file:///f", "dir/f"]
)
def test_weights_may_lie_at_any_of_these(uri: str) -> None:
    text = f"model: example.com/m\nweights: [{{name: a, target: /a, source: {{uri: '{uri}'}}}}]\n"
    assert parse(text).weights[0].sources[0].uri == uri


def test_managed_weights_need_a_model() -> None:
    assert "cog.yaml:2:10: weights: needs model" in fault("image: x\nweights: []\n")
    with pytest.raises(InputError) as renamed:
        parse_config(b"image: x\nweights: []\n", path="cog.yaml")
    assert renamed.value.next_step == "rename image: to model:, without a tag"
    with pytest.raises(InputError) as caught:
        parse("weights: []\n")
    assert caught.value.next_step == "write model: HOST/NAME"


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
SPREAD = (
    "model: m\nweights:\n- &w {name: a, target: /a, source: &s ["
    + ", ".join(["{uri: x, include: &i [" + ", ".join(["y"] * 200) + "]}"] + ["{uri: x, include: *i}"] * 300)
    + "]}\n"
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS + "build: {python_version: '3.13', system_packages: *a59}\n",
        SPREAD,
        "a: " + "[" * 100_000,
        "a: " + "{" * 100_000,
        "a: " + "[" * 40 + "]" * 40,
        "\n".join("  " * n + "a:" for n in range(300)),
        "environment: &a [*a]",
        "x" * 300_000,
        "? " * 50_000,
        "- " * 50_000,
        "environment:\n" + "".join(f"- A{n}=1\n" for n in range(25_000)),
    ],
    ids=range(11),
)
def test_hostile_documents_are_refused_quickly(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(InputError):
        parse(text)
    assert time.monotonic() - start < 5


def test_paths_to_keep_are_absolute_and_not_of_the_running_system() -> None:
    assert parse("cogpack: {keep: [/var/tmp/x/, //tmp/a/../b]}").pack.keep == ("var/tmp/x", "tmp/b")
    for path in ("var/tmp/x", "/", "/proc/x", "/run", "/tmp/../dev/x"):
        with pytest.raises(InputError, match="expected an absolute path"):
            parse(f"cogpack: {{keep: [{path}]}}")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_an_input_error(data: bytes) -> None:
    with contextlib.suppress(InputError):
        parse_config(data)


WORDS = "build: python_version: run: weights: cogpack: environment: 3.10 A=1 [ ] { } &a *a : ~ ! | ' , ? # ---".split()  # noqa: SIM905
YAML_PIECES = st.lists(st.sampled_from([*WORDS, "\n", "\n", "\n  ", "\n- ", "\t", " "]), max_size=40)


@given(YAML_PIECES)
def test_any_shape_of_yaml_is_a_config_or_an_input_error(pieces: list[str]) -> None:
    with contextlib.suppress(InputError):
        parse("".join(pieces))


def test_clashes_of_wheels_are_noted_or_refused() -> None:
    assert parse("cogpack: {clashes: error}\n").pack.clashes == "error"
    assert parse("cogpack: {}\n").pack.clashes == "note"
    assert parse("cogpack: {shared_layers: {publish: r.example/x}}\n").pack.shared_layers.publish == "r.example/x"
    for name in ("r.example/x:v1", "x", "r.example/x@sha256:" + "0" * 64):
        told = fault(f"cogpack: {{shared_layers: {{from: {name}}}}}\n")
        assert "cogpack.shared_layers.from: expected a repository alone, as in HOST/NAME" in told
    assert fault("cogpack: {clashes: allow}\n") == "cog.yaml:1:20: cogpack.clashes: expected note or error, found allow"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("build:\n\tgpu: true\n", "2:1"),
        ("build:\n  gpu: true\n \tcuda: 1\n", "3:2"),
        ("\timage: x\n", "1:1"),
        ("a:\r\n\tb: 1\r\n", "2:1"),
    ],
)
def test_a_tab_that_indents_is_told_as_one(text: str, place: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.message == f"cog.yaml:{place}: not valid YAML: the line begins with a tab"
    assert caught.value.next_step == "indent with spaces"


def test_whom_a_model_runs_as_is_a_number_and_init_may_be_left_out() -> None:
    assert (parse("cogpack: {}\n").pack.user, parse("cogpack: {}\n").pack.init) == (None, True)
    pack = parse('cogpack: {user: "1000:100", init: false}\n').pack
    assert (pack.user, pack.init) == ("1000:100", False)
    assert parse("cogpack: {user: 1000:100}\n").pack.user == "1000:100"
    assert parse("cogpack: {user: 1000}\n").pack.user == "1000"
    for user in ("nobody", "-1", "1.5", "'1000:'", "':1'"):
        assert "cogpack.user: expected UID or UID:GID" in fault(f"cogpack: {{user: {user}}}\n")
