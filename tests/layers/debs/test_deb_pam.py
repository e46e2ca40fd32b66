from cogpack.layers.debs.effects.pam import configure_pam
from cogpack.layers.debs.tree import Tree

TEMPLATE = (
    '# head\n# here are the per-package modules (the "Primary" block)\n$auth_primary\n'
    "# here's the fallback if no module succeeds\nauth\trequisite\t\t\tpam_deny.so\n"
    '# and here are more per-package modules (the "Additional" block)\n$auth_additional\n'
    "# end of pam-auth-update config\n"
)
UNIX = (
    "Name: Unix authentication\nDefault: yes\nPriority: 256\nAuth-Type: Primary\n"
    "Auth:\n\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass\n"
    "Auth-Initial:\n\t[success=end default=ignore]\tpam_unix.so nullok\n"
    "Session-Type: Additional\nSession:\n\trequired\tpam_unix.so\n"
)
LDAP = (
    "Name: LDAP\nDefault: yes\nPriority: 128\nAuth-Type: Primary\n"
    "Auth:\n\t[success=end default=ignore]\tpam_ldap.so use_first_pass\n"
)
CAPABILITY = "Name: Caps\nDefault: yes\nPriority: 0\nAuth-Type: Additional\nAuth-Final:\n\toptional\tpam_cap.so\n"
HOME = (
    "Name: Home\nDefault: yes\nPriority: 0\nSession-Type: Additional\nSession-Interactive-Only: yes\n"
    "Session:\n\toptional\tpam_mkhomedir.so\n"
)
UNUSED = "Name: Unused\nDefault: no\nPriority: 900\nAuth-Type: Primary\nAuth:\n\trequired\tpam_unused.so\n"


def configured(**profiles: str) -> Tree:
    tree = Tree()
    for name, text in profiles.items():
        tree.write(f"usr/share/pam-configs/{name}", text)
    for stack in ("auth", "account", "password", "session", "session-noninteractive"):
        word = {"session-noninteractive": "session_nonint"}.get(stack, stack)
        tree.write(f"usr/share/pam/common-{stack}", TEMPLATE.replace("$auth", f"${word}"))
    configure_pam(tree)
    return tree


def lines(tree: Tree, stack: str) -> list[str]:
    text = (tree.read(f"etc/pam.d/common-{stack}") or b"").decode()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_each_primary_line_jumps_over_those_after_it() -> None:
    tree = configured(unix=UNIX, ldap=LDAP, cap=CAPABILITY, unused=UNUSED)
    assert lines(tree, "auth") == [
        "auth\t[success=2 default=ignore]\tpam_unix.so nullok",
        "auth\t[success=1 default=ignore]\tpam_ldap.so use_first_pass",
        "auth\trequisite\t\t\tpam_deny.so",
        "auth\toptional\tpam_cap.so ",
    ]


def test_of_equal_priority_the_last_by_name_is_first() -> None:
    tree = configured(caps=CAPABILITY, home=HOME, unix=UNIX, zones=CAPABILITY.replace("pam_cap", "pam_zone"))
    assert tree.text("var/lib/pam/seen") == "unix\nzones\nhome\ncaps\n"
    assert lines(tree, "auth")[2:] == ["auth\toptional\tpam_zone.so ", "auth\toptional\tpam_cap.so "]


def test_a_stack_without_a_primary_module_permits() -> None:
    assert lines(configured(unix=UNIX), "session")[0] == "session\t[default=1]\t\t\tpam_permit.so"


def test_profiles_for_people_are_not_in_the_noninteractive_stack() -> None:
    tree = configured(unix=UNIX, home=HOME)
    assert "session\toptional\tpam_mkhomedir.so " in lines(tree, "session")
    assert "session\toptional\tpam_mkhomedir.so " not in lines(tree, "session-noninteractive")


def test_the_state_lets_the_real_tool_go_on() -> None:
    tree = configured(unix=UNIX, unused=UNUSED)
    assert tree.read("var/lib/pam/auth") == b"Module: unix\n[success=end default=ignore]\tpam_unix.so nullok\n"
    assert tree.read("var/lib/pam/session") == (
        b"Module: null\n[default=1]\t\t\tpam_permit.so\nModule: unix\nrequired\tpam_unix.so\n"
    )
    assert tree.read("var/lib/pam/seen") == b"unused\nunix\n"
