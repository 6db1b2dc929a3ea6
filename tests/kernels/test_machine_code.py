"""Machine code of kernels: kept on disk, loaded without Numba, and never that of anything else."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lazyop.kernels import code_files, plan
from lazyop.kernels.addresses import address

pytest.importorskip("numba")

CODE = code_files.Code("entry", b"the code\nof a kernel\0entry\0")

#: A product with a chain of 2 x 2 blocks, one with blocks of another size, by several threads.
PRODUCTS = """
import sys
import numpy as np
import lazyop as lo
from lazyop.kernels import plan
plan._allowed_threads = lambda: 2
plan._FLOPS_PER_THREAD = plan._BYTES_PER_THREAD = 16
rng = np.random.default_rng(0)
for shapes in (((1, 2, 2, 2), (2, 2, 2, 1)), ((2, 3, 4, 1),)):
    F = lo.Butterfly([rng.standard_normal(shape).astype("float32") for shape in shapes])
    x = rng.standard_normal(F.shape[1]).astype("float32")
    expected = x
    for factor in reversed(F.factors):
        expected = factor.tosparse() @ expected
    np.testing.assert_allclose(F @ x, expected, rtol=1e-4, atol=1e-5)
print("numba" in sys.modules)
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Have code kept in a folder of the test's own."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "lazyop"


def imports_numba(folder):
    """Run the products in a process of their own, and return whether it has imported Numba."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRODUCTS],
        check=True, capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip
    return done.stdout.strip() == "True"


def test_numba_is_needed_once(tmp_path):
    assert imports_numba(tmp_path)
    assert not imports_numba(tmp_path)


def test_no_folder_that_could_keep_code(tmp_path):
    (tmp_path / "file").touch()
    assert imports_numba(tmp_path / "file")


def test_what_is_written_is_read(folder):
    assert code_files.read("kernel") is None
    code_files.write("kernel", CODE)
    assert code_files.read("kernel") == CODE
    assert code_files.read("other") is None
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b[:-1] + b"!", lambda b: b"", bytes])
def test_damaged_code_is_not_read(folder, spoil):
    code_files.write("kernel", CODE)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    assert (code_files.read("kernel") is None) == (spoil(whole) != whole)


def test_code_of_other_sources_is_written_anew(folder, monkeypatch):
    code_files.write("kernel", CODE)
    monkeypatch.setattr(code_files, "_sources", lambda: "others")
    assert code_files.read("kernel") is None
    code_files.write("kernel", CODE)
    assert code_files.read("kernel") == CODE
    assert len(list(folder.iterdir())) == 1


def test_code_of_another_compiler_is_left_alone(folder, monkeypatch):
    code_files.write("kernel", CODE)
    with monkeypatch.context() as patch:
        patch.setattr(code_files, "_numba_version", lambda: "another")
        code_files._machine.cache_clear()
        assert code_files.read("kernel") is None
        code_files.write("kernel", code_files.Code("other", b"code"))
    code_files._machine.cache_clear()
    assert code_files.read("kernel") == CODE
    assert len(list(folder.iterdir())) == 2


def test_settings_of_numba_tell_code_apart(folder, monkeypatch):
    code_files.write("kernel", CODE)
    for name, matters in (("NUMBA_OPT", True), ("NUMBA_NUM_THREADS", False)):
        with monkeypatch.context() as patch:
            patch.setenv(name, "1")
            code_files._machine.cache_clear()
            assert (code_files.read("kernel") is None) == matters
    code_files._machine.cache_clear()


@pytest.mark.parametrize(
    "name", [b"numba_gil_ensure", b"NRT_Allocate", b"_PyErr_Clear", b"Py_DecRef"]
)
def test_code_that_calls_what_may_not_be_there_is_not_kept(folder, name):
    """The process that loads it would end without a word."""
    code_files.write("kernel", code_files.Code("entry", b"code\0" + name + b"\0"))
    assert not folder.exists()


def test_a_folder_of_the_user_takes_what_the_package_does_not(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    package = tmp_path / "package"
    package.mkdir()
    for name in ("kernel.py", "__pycache__"):
        (package / name).touch()
    monkeypatch.setattr(code_files, "_HERE", package)
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    code_files.write("kernel", CODE)
    assert code_files.read("kernel") == CODE
    assert [path.parent.name for path in tmp_path.rglob("*.code")] == ["lazyop"]


def test_without_sources_nothing_is_kept(folder, monkeypatch, tmp_path):
    """As in an archive: code could be that of another version."""
    monkeypatch.setattr(code_files, "_HERE", tmp_path / "archive")
    code_files.write("kernel", CODE)
    assert code_files.read("kernel") is None
    assert not folder.exists()


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    def fails(self, target):
        raise OSError

    monkeypatch.setattr(code_files.Path, "replace", fails)
    code_files.write("kernel", CODE)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "array",
    [np.zeros(5), np.zeros(0), np.zeros(()), np.zeros((4, 6))[1::2, ::-1], np.zeros(3, "c8").real],
)
def test_address(array):
    assert address(array) == array.ctypes.data
    array.flags.writeable = False
    assert address(array) == array.ctypes.data


@pytest.fixture
def _forgets():
    """Have nobody know how many threads there may be."""
    plan._allowed_threads.cache_clear()
    yield
    plan._allowed_threads.cache_clear()


@pytest.mark.usefixtures("_forgets")
@pytest.mark.parametrize("imported", [True, False])
def test_threads_are_those_that_numba_may_use(monkeypatch, imported):
    import numba

    if imported:
        assert plan._allowed_threads() == numba.get_num_threads()
        return
    monkeypatch.delitem(sys.modules, "numba")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert plan._allowed_threads() == numba.config.NUMBA_DEFAULT_NUM_THREADS
    for number, threads in (("3", 3), ("", numba.config.NUMBA_DEFAULT_NUM_THREADS)):
        monkeypatch.setenv("NUMBA_NUM_THREADS", number)
        plan._allowed_threads.cache_clear()
        assert plan._allowed_threads() == threads


@pytest.mark.usefixtures("_forgets")
@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_threads_that_is_none(monkeypatch, number):
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setenv("NUMBA_NUM_THREADS", number)
    with pytest.raises(ValueError, match="NUMBA_NUM_THREADS"):
        plan._allowed_threads()


@pytest.mark.parametrize(("value", "compiles"), [("0", True), ("", True), ("1", False)])
def test_numba_may_be_told_not_to_compile(monkeypatch, value, compiles):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", value)
    plan.has_compiled.cache_clear()
    assert plan.has_compiled() == compiles
    monkeypatch.undo()
    plan.has_compiled.cache_clear()
