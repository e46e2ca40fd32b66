"""The variables of the environment that commands look at, each with what it is for: `cogpack help variables`."""

from collections.abc import Iterator

OURS = {
    "COGPACK_CACHE_DIR": "where the cache of this machine is [$XDG_CACHE_HOME/cogpack, else ~/.cache/cogpack]",
    "COGPACK_CONFIG": "the file of who keeps this machine [/etc/cogpack/config.toml]",
    "COGPACK_DEBIAN_MIRROR": "where Debian packages come from, if cog.yaml names no mirror",
    "COGPACK_DEBIAN_SNAPSHOT": "Debian as it was on this date, if cog.yaml names none",
    "COGPACK_DEPOT": "a depot that is asked beside the servers that a lock names",
    "COGPACK_LOG": "a file that gets what -vv tells, with times and without secrets",
    "COGPACK_PROOT": "a proot of this machine, in place of the one that is fetched",
    "COGPACK_REGISTRY_MIRROR": "HOST=MIRROR, several between blanks or commas: as --registry-mirror",
    "COGPACK_SIGNING_KEY_FILE": "the OpenPGP key that push --publish-layers signs with",
    "COGPACK_SIGNING_KEY_PASSWORD": "its password, if it has one",
    "COGPACK_URL_MAP": "PREFIX=ELSEWHERE, several between blanks or commas: where addresses are asked for instead",
}
COGS = {
    "COG_CA_CERT": "authorities beside those of the system: a file, a directory, a certificate, or one in base64",
    "COG_MODEL": "the model that a push is of, in place of model: of cog.yaml",
    "COG_MODEL_REGISTRY": "its registry alone",
    "COG_MODEL_REPO": "its repository alone",
    "COG_MODEL_TAG": "its tag alone",
    "COG_NO_COLOR": "no colours, as NO_COLOR",
    "COG_OPENAPI_SCHEMA": "the model's OpenAPI document, in place of what its source says",
    "COG_REGISTRY_HOST": "a registry in place of Replicate's, r8.im",
    "COG_SDK_WHEEL": "not looked at, nor is COGLET_WHEEL, which a note says: build.sdk_version of cog.yaml is",
    "COG_SKIP_GPU_CHECK": "doctor compares no GPU of this machine: the image is for others",
}
CREDENTIALS = {
    "COGPACK_REGISTRY_<HOST>_USER": "who to be at a registry; in HOST a dot is _, a dash __, a colon ___",
    "COGPACK_REGISTRY_<HOST>_PASSWORD": "the password beside it",
    "REGISTRY_AUTH_FILE": "the one file of logins",
    "DOCKER_AUTH_CONFIG": "a file of logins as text",
    "DOCKER_CONFIG": "the directory of Docker's config.json [~/.docker]",
    "XDG_RUNTIME_DIR": "where podman keeps its logins",
    "XDG_CONFIG_HOME": "where podman keeps some, and certificates of registries [~/.config]",
    "GOOGLE_APPLICATION_CREDENTIALS": "who this machine is to Google",
    "GITHUB_ACTOR": "who to be at ghcr.io, in a job of GitHub's",
    "GITHUB_TOKEN": "the token beside it",
    "NETRC": "a file of logins of other servers [~/.netrc]",
    "CI_REGISTRY": "the registry of a job of GitLab's",
    "CI_SERVER_HOST": "who gives that job its tokens, besides",
    "CI_REGISTRY_USER": "who to be at $CI_REGISTRY, in a job of GitLab's",
    "CI_REGISTRY_PASSWORD": "the token beside it",
    "AWS_REGION": "of S3, and of Amazon's registries",
    "AWS_ENDPOINT_URL": "another S3",
    "AWS_ENDPOINT_URL_S3": "another S3, before that",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "another Google Cloud Storage",
    "STORAGE_EMULATOR_HOST": "one that is sent no credentials",
    "HF_TOKEN": "the token for hf:// weights",
    "HF_ENDPOINT": "another hub for them",
}
INDEXES = {
    "UV_DEFAULT_INDEX": "where wheels come from [PyPI]",
    "UV_INDEX_URL": "the same, as older versions of uv have it",
    "PIP_INDEX_URL": "the same, as pip has it",
    "UV_INDEX": "indexes beside it",
    "UV_EXTRA_INDEX_URL": "the same",
    "PIP_EXTRA_INDEX_URL": "the same",
    "UV_FIND_LINKS": "directories and pages of wheels",
    "PIP_FIND_LINKS": "the same",
    "UV_HTTP_TIMEOUT": "given to uv, as all that it has of logins, keyrings and certificates",
    "UV_HTTP_RETRIES": "the same",
    "UV_KEYRING_PROVIDER": "the same",
    "UV_INSECURE_HOST": "the same",
    "UV_PYTHON_INSTALL_MIRROR": "where interpreters come from [GitHub]",
    "UV_PYTHON_DOWNLOADS_JSON_URL": "the list of those that there are",
}
NETWORK = {
    "HTTP_PROXY": "the proxy for http, in lower case too",
    "HTTPS_PROXY": "the proxy for https",
    "ALL_PROXY": "the proxy for both",
    "NO_PROXY": "hosts, networks and ports that are asked without one",
    "SSL_CERT_FILE": "the authorities, in place of the system's",
    "SSL_CERT_DIR": "a directory of them",
    "SSL_CLIENT_CERT": "what this machine shows package indexes",
}
MACHINE = {
    "CI": "nobody looks on: no bars, a lock that is there is kept to, and some notes are denied",
    "GITHUB_ACTIONS": "a job of GitHub's: errors become annotations, results outputs and a summary",
    "GITHUB_OUTPUT": "the file that such a job's results go to",
    "GITHUB_STEP_SUMMARY": "the file that its summary goes to",
    "GITHUB_WORKSPACE": "the directory that annotations name files from",
    "GITLAB_CI": "a job of GitLab's, whose registry takes the job's own token",
    "SOURCE_DATE_EPOCH": "the time of the image's files, in seconds since 1970, when a lock is made",
    "XDG_CACHE_HOME": "where caches are [~/.cache]",
    "XDG_STATE_HOME": "where the key is that says what this user wrote [~/.local/state]",
    "HOME": "where this user's files are [the user database]",
    "NO_COLOR": "no colours",
    "TERM": "no bars where it is dumb",
}
GROUPS = {
    "cogpack's own": OURS,
    "Cog's": COGS,
    "Credentials and clouds": CREDENTIALS,
    "Package indexes": INDEXES,
    "Network": NETWORK,
    "The machine": MACHINE,
}


def all_variables() -> Iterator[tuple[str, str]]:
    for group in GROUPS.values():
        yield from group.items()
