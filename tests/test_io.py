"""Files: what goes in comes out, nothing else comes out, and an old file survives a crash."""

import io
import json
import os
import zipfile

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from market import BOUND_TO_NUMPY, MARKET, random

import lazyop as lo

SAVABLE = sorted(MARKET.keys() - BOUND_TO_NUMPY)

a = random("complex128", 5, 5)
A = lo.aslazy(a)

#: What the market has not: special values and expressions of several.
EXPRESSIONS = {
    "complex multiple": (0.1 + 1e300j) * A,
    "integer multiple": 2**70 * A,
    "single multiple": 0.1 * A.astype("complex64"),
    "small integers": lo.Diagonal(np.array([1, -128], np.int8)),
    "half precision": lo.Diagonal(np.array([1, 0.1], np.float16)),
    "big-endian": lo.aslazy(a.astype(">c16")),
    "adjoint": A.H,
    "normal": A.N,
    "conjugate of a transpose": A.T.conj(),
    "conjugated butterfly": lo.KroneckerSparse(random("complex64", 2, 2, 2, 2)).conj(),
    "negative step": (A + lo.Identity(5))[::-2, 1:],
    "transposed restriction": (A + lo.Identity(5))[[4, 4, 0]].T,
    "sparse with repeats": lo.aslazy(
        scipy.sparse.csr_array(([1.0, 2.0, 3.0], [2, 0, 2], [0, 3, 3]), shape=(2, 3))
    ),
    "kernels": lo.Butterfly(
        [np.ones((1, 2, 2, 2)), np.ones((2, 2, 2, 1))], kernels=("matmul",) * 2
    ),
    "nested": lo.block(
        [[lo.kron(A[:2, :2], A.T[:2, 1:]), None], [lo.Zero((1, 8)), 2j * A[:1, :3]]]
    ),
}


def same(found, expected):
    """Equal in structure and in every bit that a product shows."""
    assert found.tree() == expected.tree()
    assert found.dtype == expected.dtype
    assert found.cost == expected.cost
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    np.testing.assert_array_equal(found.H.toarray(), expected.H.toarray())


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("name", SAVABLE)
def test_round_trip(name, dtype, tmp_path):
    A = MARKET[name](dtype)[0]
    lo.save(tmp_path / "A", A)
    same(lo.load(tmp_path / "A"), A)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_round_trip_of_an_expression(name, tmp_path):
    A = EXPRESSIONS[name]
    lo.save(tmp_path / "A", A)
    same(lo.load(tmp_path / "A"), A)


def test_kernels_chosen_by_the_caller_are_kept(tmp_path):
    lo.save(tmp_path / "A", EXPRESSIONS["kernels"])
    assert [s.kernel for s in lo.load(tmp_path / "A").plan().steps] == ["matmul", "matmul"]


def test_data_of_another_namespace(tmp_path):
    lo.save(tmp_path / "A", A.to("array_api_strict"))
    found = lo.load(tmp_path / "A")
    same(found, A)
    x = array_api_strict.asarray(a[0])
    np.testing.assert_array_equal(np.asarray(found.to("array_api_strict") @ x), a @ a[0])


@pytest.mark.parametrize("name", ["plain", "with.suffix", "ends.npz", "ünïcode ×"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_the_path_is_taken_as_it_is(name, kind, tmp_path):
    lo.save(kind(tmp_path / name), A)
    assert os.listdir(tmp_path) == [name]
    same(lo.load(kind(tmp_path / name)), A)


def test_a_file_has_the_usual_mode(tmp_path):
    lo.save(tmp_path / "A", A)
    (tmp_path / "other").touch()
    assert (tmp_path / "A").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_keeps_its_mode_and_a_link_its_target(tmp_path):
    lo.save(tmp_path / "A", lo.Identity(2))
    (tmp_path / "A").chmod(0o600)
    (tmp_path / "link").symlink_to("A")
    lo.save(tmp_path / "link", A)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "A").stat().st_mode & 0o777 == 0o600
    same(lo.load(tmp_path / "A"), A)


def test_a_name_may_be_as_long_as_names_are(tmp_path):
    lo.save(tmp_path / ("a" * 255), A)
    same(lo.load(tmp_path / ("a" * 255)), A)


def test_slices_with_bounds_of_numpy(tmp_path):
    part = (lo.Identity(4) + lo.aslazy(np.ones((4, 4))))[: np.int64(2), np.int8(3) :: -1]
    lo.save(tmp_path / "A", part)
    same(lo.load(tmp_path / "A"), part)


# What is in a file ------------------------------------------------------------------------------


def entries(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize(
    "make",
    [
        lambda a: lo.aslazy(a).N,
        lambda a: lo.block_diag(a, a),
        lambda a: lo.kron(lo.aslazy(a), lo.aslazy(a).H) + lo.kron(a.T, a.T).T,
        lambda a: lo.KroneckerSparse(a[None, :, :, None]).N,
        lambda a: sum([2j * lo.aslazy(a), lo.aslazy(a) ** 2, lo.aslazy(a).T]),
    ],
)
def test_shared_data_are_written_once(make, tmp_path):
    A = make(random("complex128", 20, 20))
    lo.save(tmp_path / "A", A)
    arrays = entries(tmp_path / "A")
    del arrays["lazyop"]
    assert sum(array.size for array in arrays.values()) == A.cost.parameters
    same(lo.load(tmp_path / "A"), A)


def test_there_is_no_code_in_a_file(tmp_path):
    lo.save(tmp_path / "A", EXPRESSIONS["nested"])
    arrays = entries(tmp_path / "A")  # NumPy refuses pickles here
    header = json.loads(bytes(arrays.pop("lazyop")))
    assert header["version"] == 1
    assert {entry["class"] for entry in header["operators"]} <= {
        *("Block", "BlockDiagonal", "Dense", "Kron", "Scaled")
    }
    assert all(array.dtype.kind in "iufc" for array in arrays.values())


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BOUND_TO_NUMPY))
def test_operators_of_other_libraries_can_not_be_saved(name, tmp_path):
    lo.save(tmp_path / "A", A)
    with pytest.raises(TypeError, match="can't be saved"):
        lo.save(tmp_path / "A", 2 * MARKET[name]("float64")[0].H)
    assert os.listdir(tmp_path) == ["A"]
    same(lo.load(tmp_path / "A"), A)


def test_own_classes_can_not_be_saved(tmp_path):
    class Diagonal(lo.Diagonal):
        pass

    with pytest.raises(TypeError, match="not one of lazyop's own"):
        lo.save(tmp_path / "A", Diagonal([1.0]))


@pytest.mark.parametrize("thing", [np.eye(2), scipy.sparse.eye_array(2), None, "A"])
def test_what_is_no_operator_can_not_be_saved(thing, tmp_path):
    with pytest.raises(TypeError, match=r"expected a lazyop operator.*aslazy"):
        lo.save(tmp_path / "A", thing)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        lo.save(tmp_path / "missing" / "A", A)
    with pytest.raises(FileNotFoundError, match="missing"):
        lo.load(tmp_path / "missing")


def test_an_open_file_is_no_path(tmp_path):
    lo.save(tmp_path / "A", A)
    with open(tmp_path / "A", "rb") as file:
        with pytest.raises(TypeError, match="PathLike"):
            lo.load(file.fileno())
        assert file.read(2) == b"PK"


# Damaged and foreign files ----------------------------------------------------------------------


def saved(tmp_path):
    path = tmp_path / "A.npz"
    B = lo.kron(A[:2, :2], lo.Diagonal([1.0, 2.0])) @ lo.Permutation([3, 1, 0, 2])
    lo.save(path, B)
    return path, path.read_bytes(), B


def test_truncated_files(tmp_path):
    path, whole, _ = saved(tmp_path)
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"A\.npz"):
            lo.load(path)


def test_flipped_bytes(tmp_path):
    path, whole, B = saved(tmp_path)
    refused = 0
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            found = lo.load(path)
        except ValueError:
            refused += 1
        else:  # a byte that says nothing of the operator, as the date of an entry
            same(found, B)
    assert refused > len(whole) / 6


def rewritten(path, whole, change):
    """Write a file with a changed header."""
    arrays = dict(np.load(io.BytesIO(whole)))
    header = json.loads(bytes(arrays["lazyop"]))
    header = change(header) or header
    text = header if isinstance(header, str) else json.dumps(header)
    arrays["lazyop"] = np.frombuffer(text.encode(), np.uint8)
    np.savez(path, **arrays)


HEADERS = {
    "newer version": (lambda h: h.update(version=2), "newer lazyop"),
    "no version": (lambda h: h.pop("version") and None, "damaged"),
    "strange version": (lambda h: h.update(version="1"), "damaged"),
    "no operators": (lambda h: h.update(operators=[]), "damaged"),
    "missing root": (lambda h: h.update(root=99), "damaged"),
    "strange root": (lambda h: h.update(root={}), "damaged"),
    "unknown class": (lambda h: h["operators"][0].update({"class": "os.system"}), "unknown class"),
    "foreign attribute": (lambda h: h["operators"].append({"__class__": 0}), "damaged"),
    "missing field": (lambda h: h["operators"][0].update(fields={}), "damaged"),
    "missing array": (
        lambda h: h["operators"][0]["fields"].update(values={"array": ["x", [0, 1]]}),
        "damaged",
    ),
    "unknown kind": (lambda h: h["operators"][0]["fields"].update(values={"eval": "1"}), "unknown"),
    "forward reference": (
        lambda h: h["operators"].insert(
            0, {"class": "Sum", "fields": {"operands": [{"operator": 1}]}}
        ),
        "damaged",
    ),
    "number for a matrix": (lambda h: h["operators"][0]["fields"].update(values=1), "dimension"),
    "sizes that do not fit": (
        lambda h: h["operators"].append(
            {"class": "Product", "fields": {"operands": [{"operator": 2}, {"operator": 0}]}}
        ),
        "can't multiply",
    ),
    "not JSON": (lambda h: "{", "A.npz"),
    "no dictionary": (lambda h: "[]", "damaged"),
    "nested too deep": (lambda h: "[" * 100_000, "damaged"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_wrong_headers(name, tmp_path):
    change, message = HEADERS[name]
    path, whole, _ = saved(tmp_path)
    rewritten(path, whole, change)
    with pytest.raises(ValueError, match=message):
        lo.load(path)


@pytest.mark.parametrize("wrong", [10**8, 3, -1])
def test_indices_out_of_range(wrong, tmp_path):
    path = tmp_path / "A.npz"
    lo.save(path, lo.aslazy(scipy.sparse.eye_array(3, format="csr")))
    arrays = dict(np.load(io.BytesIO(path.read_bytes())))
    [name] = [name for name, x in arrays.items() if x.dtype.kind == "i" and x.tolist() == [0, 1, 2]]
    arrays[name] = np.array([0, 1, wrong], arrays[name].dtype)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"A\.npz"):
        lo.load(path)


def test_pickles_are_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("a pickle was opened",)

    path, whole, _ = saved(tmp_path)
    arrays = dict(np.load(io.BytesIO(whole)))
    arrays["array0"] = np.array([Bomb()])
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        lo.load(path)


FOREIGN = {
    "npz": lambda path: np.savez(path, a=a),
    "npz with our entry": lambda path: np.savez(path, lazyop=a),
    "npy": lambda path: np.save(path, a),
    "text": lambda path: path.write_text("1.0 2.0\n3.0 4.0\n"),
    "empty": lambda path: path.touch(),
    "pickle": lambda path: path.write_bytes(np.arange(3).dumps()),
    "zip": lambda path: zipfile.ZipFile(path, "w").writestr("note.txt", "no operator"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(name, tmp_path):
    path = tmp_path / "foreign.npz"
    if name == "npy":
        path = path.with_suffix(".npy")
    FOREIGN[name](path)
    message = "can't load" if name == "npz with our entry" else "it is no lazyop file"
    with pytest.raises(ValueError, match=message) as caught:
        lo.load(path)
    assert path.name in str(caught.value)


# An interrupted call ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError("no space left"), MemoryError()], ids=repr
)
def test_an_interrupted_call_leaves_the_old_file(error, tmp_path, monkeypatch):
    path, whole, _ = saved(tmp_path)

    def interrupted(file, **arrays):
        file.write(b"half a file")
        raise error

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(type(error)):
        lo.save(path, A)
    with pytest.raises(type(error)):
        lo.save(tmp_path / "new", A)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == whole


def test_a_file_is_replaced(tmp_path):
    path, _, _ = saved(tmp_path)
    lo.save(path, A)
    assert os.listdir(tmp_path) == [path.name]
    same(lo.load(path), A)
