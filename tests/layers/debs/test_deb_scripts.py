import pytest

from cogpack.layers.debs.effects.alternatives import Alternative, Slave
from cogpack.layers.debs.effects.scripts import NotUnderstood, Understood, fortran_links, read_script

SYSTEMD = """\
# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ]; then
\tdeb-systemd-helper unmask 'x.timer' >/dev/null || true
fi
# End automatically added section
"""


@pytest.mark.parametrize(
    "script",
    [
        "",
        "#!/bin/sh\nset -e\n\nexit 0\n",
        "#!/bin/sh\nset -e\n" + SYSTEMD + "exit 0\n",
        'set -e\ndpkg-maintscript-helper rm_conffile /etc/x 1.0~ -- "$@"\n',
        'case "$1" in\n  configure)\n  ;;\n  abort-upgrade|abort-remove)\n  rm /\n  ;;\n  *)\n  exit 1\n  ;;\nesac\n',
        'if [ "$1" = upgrade ]; then\n  if something; then\n    rm -rf /\n  fi\nfi\n',
        'if [ "$1" = "configure" ] && [ -n "$2" ]; then\n  rm /etc/old\nfi\n',
        'if [ "$1" = configure ] && dpkg --compare-versions "$2" lt-nl 2.0; then\n  rm /etc/old\nfi\n',
        "if [ -d /run/systemd/system ]; then\n  systemctl --system daemon-reload >/dev/null || true\nfi\n",
        'if [ "$1" = configure ]; then\n  ldconfig\nelse\n  rm -rf /\nfi\n',
        "exit 0\nrm -rf /\n",
    ],
)
def test_scripts_that_do_nothing_in_a_fresh_image_are_understood(script: str) -> None:
    assert read_script(script, fresh="configure") == Understood(())


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("set -e\nadduser --system foo\n", "adduser --system foo"),
        ('if [ "$1" = configure ]; then\n  chown a /b\nfi\n', "chown a /b"),
        ('case "$1" in\n  configure)\n    chown a /b\n  ;;\nesac\n', "chown a /b"),
        ('case "$1" in\n  conf*)\n    chown a /b\n  ;;\nesac\n', "chown a /b"),
        ('if [ "$1" != upgrade ]; then\n  chown a /b\nfi\n', "chown a /b"),
        ("if [ -x /usr/bin/foo ]; then\n  foo\nfi\n", "if [ -x /usr/bin/foo ]; then"),
        ('if dpkg --compare-versions "$2" lt 2; then\n  chown a /b\nfi\n', "chown a /b"),
        ("helper() {\n  rm /a\n}\nhelper\n", "helper() {"),
        ("update-alternatives --install /a a /b 1 && rm /c\n", "update-alternatives --install /a a /b 1 && rm /c"),
        ("true; rm -rf /\n", "true; rm -rf /"),
        ("echo `rm -rf /`\n", "echo `rm -rf /`"),
        ("x=$(rm -rf /)\n", "x=$(rm -rf /)"),
        ("set -e; rm -rf /\n", "set -e; rm -rf /"),
        ('if [ "$1" = upgrade ]; then\n  x\nelif unknown; then\n  rm /a\nfi\n', "elif unknown; then"),
        ('case "$1" in\n  configure) rm -rf / ;;\nesac\n', "configure) rm -rf / ;;"),
        (
            "# Automatically added by dh_installsysusers\nsystemd-sysusers x.conf\n# End automatically added section\n",
            "systemd-sysusers x.conf",
        ),
        ('if [ "$1" = configure ]; then\n  true\n', "a block that does not end"),
    ],
)
def test_a_script_that_does_something_is_reported_with_its_line(script: str, line: str) -> None:
    assert read_script(script, fresh="configure") == NotUnderstood(line)


def test_a_preinst_is_read_as_for_an_installation() -> None:
    script = 'if [ "$1" = upgrade ]; then\n  rm /a\nfi\nif [ "$1" = install ]; then\n  touch /b\nfi\n'
    assert read_script(script, fresh="install") == NotUnderstood("touch /b")


def test_alternatives_are_taken_from_live_lines() -> None:
    script = (
        'case "$1" in\n  configure|abort-upgrade)\n    update-alternatives --quiet --install /usr/bin/awk awk \\\n'
        "      /usr/bin/mawk 5 --slave /usr/bin/nawk nawk /usr/bin/mawk || true\n    ;;\n"
        "  triggered)\n    update-alternatives --install /usr/bin/x x /usr/bin/y 1\n    ;;\nesac\n"
    )
    choice = Alternative("/usr/bin/awk", "awk", "/usr/bin/mawk", 5, (Slave("/usr/bin/nawk", "nawk", "/usr/bin/mawk"),))
    assert read_script(script, fresh="configure") == Understood((choice,))


def test_loops_over_plain_words_are_unrolled() -> None:
    script = (
        "for prog in one two; do\n  update-alternatives --install /usr/bin/$prog ${prog} /usr/bin/$prog-x 10\ndone\n"
    )
    assert read_script(script, fresh="configure") == Understood(
        tuple(Alternative(f"/usr/bin/{name}", name, f"/usr/bin/{name}-x", 10) for name in ("one", "two"))
    )


def test_an_alternative_with_a_variable_is_not_guessed() -> None:
    line = "update-alternatives --install /usr/bin/x x $where/x 10"
    assert read_script(line + "\n", fresh="configure") == NotUnderstood(line)


RM_CONFFILE = 'dpkg-maintscript-helper rm_conffile /etc/x 2.5 -- "$@"\n'


@pytest.mark.parametrize(
    ("script", "understood"),
    [
        ('if [ -z "$2" ]; then\n  useradd me\nfi\n', True),
        ('if [ -n "$2" ]; then\n  migrate\nfi\n', False),
        ('if dpkg --compare-versions "$2" lt 1.5; then\n  migrate\nfi\n', True),
        ('if dpkg --compare-versions "$2" lt-nl 2.5~; then\n  migrate\nfi\n', False),
        ('if dpkg --compare-versions "$2" lt "$MARK"; then\n  migrate\nfi\n', False),
        ('if [ "$1" = configure ]; then\n  ldconfig\nfi\n', True),
        ('dpkg-maintscript-helper rm_conffile /etc/x 1.5\\~ -- "$@"\n', True),
        ('dpkg-maintscript-helper rm_conffile /etc/x 2.5\\~ me -- "$@"\n', False),
        ('dpkg-maintscript-helper mv_conffile /etc/x /etc/y 2.5 -- "$@"\n', False),
        ('dpkg-maintscript-helper symlink_to_dir /usr/x y 1.5 -- "$@"\n', True),
        ('dpkg-maintscript-helper dir_to_symlink /usr/x y -- "$@"\n', False),
        ("# Automatically added by dh_python3\npy3compile -p me\n# End automatically added section\n", True),
        ("# Automatically added by dh_installdeb\n" + RM_CONFFILE + "# End automatically added section\n", False),
    ],
)
def test_in_the_place_of_version_2_a_script_is_read_as_it_would_run_then(script: str, understood: bool) -> None:
    found = read_script(script, fresh="configure", other="2.0-1")
    assert isinstance(found, Understood) is understood, found


def test_a_variable_is_what_a_line_that_runs_has_set_it_to() -> None:
    """As clang and automake have it."""
    script = (
        "#! /bin/sh\nset -e\n\nver=1.17\nprio=10\n\n"
        "update-alternatives --quiet \\\n\t--install /usr/bin/c++ \\\n\t\tc++ \\\n"
        "\t\t/usr/bin/clang++ \\\n\t\t$prio\n\nupdate-alternatives --install /usr/bin/automake automake \\\n"
        "\t/usr/bin/automake-$ver ${prio} \\\n\t--slave /usr/bin/aclocal aclocal /usr/bin/aclocal-$ver\n"
    )
    assert read_script(script, fresh="configure") == Understood(
        (
            Alternative("/usr/bin/c++", "c++", "/usr/bin/clang++", 10),
            Alternative(
                "/usr/bin/automake",
                "automake",
                "/usr/bin/automake-1.17",
                10,
                (Slave("/usr/bin/aclocal", "aclocal", "/usr/bin/aclocal-1.17"),),
            ),
        )
    )


@pytest.mark.parametrize(
    "assignment",
    ['if [ "$1" = upgrade ]; then\n  where=/a\nfi\n', "where=/a\nwhere=\n", "where_else=/a\n", "where=/a; rm /b\n"],
)
def test_a_variable_that_may_be_anything_else_is_not_guessed(assignment: str) -> None:
    script = f"{assignment}update-alternatives --install /usr/bin/x x $where/x 10\n"
    found = read_script(script, fresh="configure")
    assert isinstance(found, NotUnderstood) or found.choices[0].path == "/x", "as the shell has it of an empty one"


FORTRAN = """\
#!/bin/sh
set -e
# Automatically added by dh_fortran_mod/0.41
# May be installed multiple times for different canoncomp
multiarch="x86_64-linux-gnu"
base="gfortran-mod-15"
canoncomp='x86_64-linux-gnu-gfortran-10'

# clean up old cruft first. Delete symlinks, silent because we don't delete directories
( rm -f /usr/lib/$multiarch/fortran/gfortran-* 2> /dev/null ) || true

mkdir -p /usr/lib/$multiarch/fortran/$base
if ! test -x /usr/lib/$multiarch/fortran/$canoncomp ; then
  ln -sf /usr/lib/$multiarch/fortran/$base /usr/lib/$multiarch/fortran/$canoncomp
fi
# End automatically added section
"""


def test_the_links_to_modules_of_fortran_are_those_that_libopenmpi_dev_leaves() -> None:
    script = FORTRAN + FORTRAN.partition("set -e\n")[2].replace("gfortran-10", "gfortran-8")
    assert read_script(script, fresh="install") == Understood(())
    assert [*fortran_links(script)] == [
        (
            f"usr/lib/x86_64-linux-gnu/fortran/x86_64-linux-gnu-gfortran-{version}",
            "/usr/lib/x86_64-linux-gnu/fortran/gfortran-mod-15",
        )
        for version in ("10", "8")
    ]


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("# Automatically added by dh_x\n" * 30_000, None),
        ("for a in b; do\n" * 30_000, "for a in b; do"),
        (f"for a in {'b ' * 30_000}; do\n{'echo $a' * 10_000}\ndone\n", "for a in"),
        (f"update-alternatives --install /a b /c 1 {'; ' * 300_000}x\n", "update-alternatives"),
        (f"if test{' ' * 300_000}x then\nfi\n", "if test"),
        (": \n" * 400_000, "it has 1200000 letters"),
    ],
    ids=["sections", "loops", "words of a loop", "ends of a line", "blanks", "all"],
)
def test_a_script_takes_the_time_and_memory_of_its_length(script: str, line: str | None) -> None:
    """The first would take minutes, the third three gigabytes."""
    found = read_script(script, fresh="configure")
    if line is None:
        assert found == Understood(())
    else:
        assert isinstance(found, NotUnderstood)
        assert found.line.startswith(line)
