import msgspec
import pytest

from cogpack.layers.debs.effects.alternatives import Alternative, Slave, install_alternatives, parse_install
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Symlink


def test_the_highest_priority_gets_the_link_and_all_choices_are_in_the_database() -> None:
    tree = Tree()
    for path in ("usr/bin/vim", "usr/bin/nano", "usr/share/vim.1"):
        tree.write(path, "")
    slave = Slave("/usr/share/editor.1", "editor.1", "/usr/share/vim.1")
    gone = Slave("/usr/share/editor.fr.1", "editor.fr.1", "/usr/share/vim.fr.1")
    install_alternatives(
        tree,
        [
            Alternative("/usr/bin/editor", "editor", "/usr/bin/nano", 40),
            Alternative("/usr/bin/editor", "editor", "/usr/bin/vim", 60, (slave, gone)),
            Alternative("/usr/bin/editor", "editor", "/usr/bin/absent", 90),
        ],
    )
    assert tree.get("usr/bin/editor") == Symlink("usr/bin/editor", "/etc/alternatives/editor")
    assert tree.get("etc/alternatives/editor") == Symlink("etc/alternatives/editor", "/usr/bin/vim")
    assert tree.get("usr/share/editor.1") == Symlink("usr/share/editor.1", "/etc/alternatives/editor.1")
    assert "usr/share/editor.fr.1" not in tree
    assert (tree.read("var/lib/dpkg/alternatives/editor") or b"").decode() == (
        "auto\n/usr/bin/editor\neditor.1\n/usr/share/editor.1\neditor.fr.1\n/usr/share/editor.fr.1\n\n"
        "/usr/bin/nano\n40\n\n\n/usr/bin/vim\n60\n/usr/share/vim.1\n/usr/share/vim.fr.1\n\n"
    )


def test_of_equal_priorities_the_order_of_packages_does_not_decide() -> None:
    found = []
    choices = [Alternative("/bin/x", "x", path, 10) for path in ("/bin/b", "/bin/a")]
    for order in (choices, choices[::-1]):
        tree = Tree()
        tree.write("bin/a", "")
        tree.write("bin/b", "")
        install_alternatives(tree, order)
        found.append(tree.get("etc/alternatives/x"))
    assert found == [Symlink("etc/alternatives/x", "/bin/a")] * 2


@pytest.mark.parametrize("priority", ["--5", "\u00b2", "9" * 5000])
def test_a_choice_whose_priority_is_no_number_is_none(priority: str) -> None:
    assert parse_install(f"update-alternatives --install /usr/bin/editor editor /usr/bin/vim {priority}") is None
    tree = Tree()
    for path in ("usr/bin/vim", "usr/bin/nano"):
        tree.write(path, "")
    tree.write("var/lib/dpkg/alternatives/editor", f"auto\n/usr/bin/editor\n\n/usr/bin/vim\n{priority}\n\n")
    install_alternatives(tree, [Alternative("/usr/bin/editor", "editor", "/usr/bin/nano", 40)])
    assert tree.get("etc/alternatives/editor") == Symlink("etc/alternatives/editor", "/usr/bin/nano")


def test_the_hdf5_of_an_mpi_goes_with_that_as_libhdf5_openmpi_dev_leaves_it() -> None:
    tree = Tree()
    pc = "/usr/lib/x86_64-linux-gnu/pkgconfig"
    for path in ("/usr/bin/mpicc.openmpi", "/usr/bin/mpirun.openmpi", f"{pc}/hdf5-openmpi.pc", f"{pc}/hdf5-serial.pc"):
        tree.write(path[1:], "")
    choices = [
        Alternative(f"{pc}/hdf5.pc", "hdf5.pc", f"{pc}/hdf5-serial.pc", 20),
        Alternative(f"{pc}/hdf5.pc", "hdf5.pc", f"{pc}/hdf5-openmpi.pc", 30),
        Alternative(f"{pc}/hdf5.pc", "hdf5.pc", f"{pc}/hdf5-mpi.pc", 35),
    ]
    runs = Slave("/usr/bin/mpirun", "mpirun", "/usr/bin/mpirun.openmpi")
    mpi = Alternative("/usr/bin/mpicc", "mpi", "/usr/bin/mpicc.openmpi", 50, (runs,))
    install_alternatives(tree, [mpi])  # which another layer may have brought
    install_alternatives(tree, choices)
    assert (tree.read("var/lib/dpkg/alternatives/mpi") or b"").decode() == (
        f"auto\n/usr/bin/mpicc\nhdf5-mpi.pc\n{pc}/hdf5-mpi.pc\nmpirun\n/usr/bin/mpirun\n\n"
        f"/usr/bin/mpicc.openmpi\n50\n{pc}/hdf5-openmpi.pc\n/usr/bin/mpirun.openmpi\n\n"
    )
    assert tree.get("etc/alternatives/hdf5.pc") == Symlink("etc/alternatives/hdf5.pc", f"{pc}/hdf5-mpi.pc")
    assert tree.get("etc/alternatives/hdf5-mpi.pc") == Symlink("etc/alternatives/hdf5-mpi.pc", f"{pc}/hdf5-openmpi.pc")


def test_what_is_chosen_may_be_the_link_of_another_group_as_libcoarrays_openmpi_dev_has_it() -> None:
    tree = Tree()
    for path in ("lib/openmpi/caf", "lib/openmpi/cafrun"):
        tree.write(path, "")
    own = Alternative("/bin/caf.openmpi", "caf-openmpi", "/lib/openmpi/caf", 50)
    runs = Slave("/bin/cafrun.openmpi", "cafrun-openmpi", "/lib/openmpi/cafrun"), Slave("/bin/no", "no", "/lib/no")
    all_runs = Slave("/bin/cafrun", "cafrun", "/bin/cafrun.openmpi"), Slave("/bin/none", "none", "/bin/no")
    choices = [
        Alternative("/bin/caf", "caf", "/bin/caf.openmpi", 50, all_runs),
        msgspec.structs.replace(own, slaves=runs),
        Alternative("/bin/other", "other", "/bin/none", 50),
    ]
    install_alternatives(tree, choices)
    for name, path in (("caf", "/bin/caf.openmpi"), ("cafrun", "/bin/cafrun.openmpi"), ("caf-openmpi", own.path)):
        assert tree.get(f"etc/alternatives/{name}") == Symlink(f"etc/alternatives/{name}", path)
    for name in ("other", "none", "no"):
        assert f"etc/alternatives/{name}" not in tree
