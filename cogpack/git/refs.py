"""What a server says it has (`git ls-remote`), and what `git clone` makes of it (git-clone(1))."""

import re

import msgspec

from cogpack.git.objects import NotExactError

_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_BRANCH = re.compile(r"(?![-/.])[A-Za-z0-9._/+@#=,-]+")
_LINE = re.compile(r"([0-9a-f]{40})\t(.+)")


class Refs(msgspec.Struct, frozen=True, kw_only=True):
    """Holds `heads` and `tags` by their names, what annotated tags are of in `peeled`, and the branch of HEAD, "" where
    it is on none; `detached`: the commit that it is then. `others`: refs by their whole names."""

    heads: dict[str, str]
    tags: dict[str, str]
    peeled: dict[str, str]
    default: str
    detached: str
    others: dict[str, str] = {}

    @classmethod
    def parse(cls, said: bytes) -> "Refs":
        """Read what `git ls-remote --symref` writes."""
        heads, tags, peeled, others = dict[str, str](), dict[str, str](), dict[str, str](), dict[str, str]()
        default = detached = ""
        for line in filter(None, said.decode(errors="surrogateescape").split("\n")):  # a name may have other breaks
            if line.startswith("ref: "):
                target, _, name = line.removeprefix("ref: ").partition("\t")
                if name == "HEAD" and target.startswith(_HEADS):
                    default = target.removeprefix(_HEADS)
                continue
            if not (found := _LINE.fullmatch(line)):
                raise NotExactError("the repository's objects have names of another kind than SHA-1")
            oid, name = found.groups()
            if name == "HEAD":
                detached = oid
            elif name.startswith(_HEADS):
                heads[name.removeprefix(_HEADS)] = oid
            elif name.startswith(_TAGS):
                tag = name.removeprefix(_TAGS)
                if tag.endswith("^{}"):
                    peeled[tag.removesuffix("^{}")] = oid
                else:
                    tags[tag] = oid
            else:
                others[name] = oid
        if default not in heads:
            default = ""
        return cls(heads=heads, tags=tags, peeled=peeled, default=default, detached=detached, others=others)

    def target(self, tag: str) -> str:
        """Give the object that a tag is of."""
        return self.peeled.get(tag, self.tags[tag])

    def named(self, revision: str) -> str | None:
        """Give what a branch, a tag or a ref's whole name stands for, as pip reads it; "" stands for HEAD."""
        if not revision:
            return self.heads.get(self.default) or self.detached or None
        if revision in self.heads:
            return self.heads[revision]
        return self.target(revision) if revision in self.tags else self.others.get(revision)

    def cloned(self, wanted: str) -> tuple[str, str]:
        """Give the branch that a clone begins on, "" for none, and the commit; `wanted`: of `--branch`."""
        if wanted:
            if wanted in self.heads:
                return _sound(wanted), self.heads[wanted]
            if wanted in self.tags:
                return "", self.target(wanted)
            raise NotExactError(f"it has no branch or tag {wanted}")
        if self.default:
            return _sound(self.default), self.heads[self.default]
        if self.detached:
            return "", self.detached
        raise NotExactError("it is empty")


def _sound(branch: str) -> str:
    if not _BRANCH.fullmatch(branch):
        raise NotExactError(f"its branch has the name {branch!a}")
    return branch
