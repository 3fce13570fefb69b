"""Input that is no plain file is read within bounds or refused; output replaces files only."""

import errno
import gzip
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from consilico.sim.base import files
from consilico.sim.base.errors import UserError
from consilico.sim.base.files import (
    check_input,
    open_input,
    protecting_inputs,
    read_input,
    read_input_text,
    write_atomic,
)


def _fifo(folder: Path) -> Path:
    path = folder / "pipe"
    os.mkfifo(path)
    return path


def _write_later(path: Path, raw: bytes) -> threading.Thread:
    """Write to a pipe as another program would: opening it waits for the reader."""
    thread = threading.Thread(target=path.write_bytes, args=(raw,))
    thread.start()
    return thread


# Input


def test_a_plain_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x00text")
    assert read_input(tmp_path / "x") == b"\x00text"


def test_a_pipe_is_read_to_its_end_though_its_writer_comes_late(tmp_path: Path) -> None:
    path, content = _fifo(tmp_path), bytes(range(256)) * 4096  # more than a pipe holds
    writer = _write_later(path, content)
    assert read_input(path, idle_limit_s=20) == content
    writer.join()


def test_a_pipe_can_be_read_in_parts_and_again(tmp_path: Path) -> None:
    path = _fifo(tmp_path)
    writer = _write_later(path, b"first second")
    with open_input(path, idle_limit_s=20) as file:
        assert file.peek(2)[:2] == b"fi"
        assert file.read(6) == b"first "
        file.seek(0)
        assert file.read() == b"first second"
    writer.join()


def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the netlist .*pipe: nothing came .* for 0\.05 s"):
        read_input(_fifo(tmp_path), "netlist", idle_limit_s=0.05)


def test_a_pipe_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PIPE_LIMIT_BYTES", 1 << 20)
    with subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE) as endless:
        assert endless.stdout is not None
        with pytest.raises(UserError, match=r"more than 1\.05 MB came through this pipe"):
            read_input(Path(f"/dev/fd/{endless.stdout.fileno()}"))
        endless.kill()


@pytest.mark.parametrize(
    ("name", "kind"), [("/dev/zero", "a device"), ("/dev/null", "a device"), ("/", "a folder")]
)
def test_a_device_or_a_folder_is_refused(name: str, kind: str) -> None:
    for read in (read_input, check_input):
        with pytest.raises(UserError, match=rf"Liberty file {name}: it is {kind}; accepted: a f"):
            read(Path(name), "Liberty file")


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(UserError, match="it is a socket"):
            read_input(tmp_path / "s")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)  # sparse
    with pytest.raises(UserError, match=r"it has 10 GB; accepted: 1\.07 GB"):
        read_input(path)


def test_a_huge_file_can_be_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with open_input(path) as stream:
        assert stream.read(3) == bytes(3)


@pytest.mark.parametrize("name", ["missing", "x\0y", "loop"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="cannot read the file"):
        read_input(tmp_path / name)


def test_compressed_input_is_decompressed_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
    assert read_input(path, unzip=True) == b"one two"
    assert read_input(path)[:2] == b"\x1f\x8b"


def test_compressed_input_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(UserError, match=r"larger than 1\.05 MB unzipped"):
        read_input(path, unzip=True, limit_bytes=1 << 20)


@pytest.mark.parametrize("keep", [slice(0, -9), slice(0, 30)])
def test_compressed_input_that_ends_early_is_refused(tmp_path: Path, keep: slice) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(os.urandom(1000))[keep])
    with pytest.raises(UserError, match="end early"):
        read_input(path, unzip=True)


def test_damaged_compressed_input_is_refused(tmp_path: Path) -> None:
    raw = bytearray(gzip.compress(b"some text, long enough"))
    raw[-6] ^= 1  # of the check sum
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(UserError, match="damaged"):
        read_input(tmp_path / "x", unzip=True)


def test_text_may_have_a_byte_order_mark_and_any_line_ends(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_input_text(tmp_path / "x") == "a\nb\nc\n"


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a\nb\n\xff")
    with pytest.raises(UserError, match=r"x:3: the kit file is not UTF-8 text"):
        read_input_text(tmp_path / "x", "kit file")


# Output


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.json"
    write_atomic(path, "first, longer")
    write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("earlier")
    path.chmod(0o640)
    write_atomic(path, "later")
    assert path.read_text() == "later"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.write_text("earlier")
    link.symlink_to(Path("folder", "target"))
    write_atomic(link, "later")
    assert link.is_symlink()
    assert target.read_text() == "later"
    assert [item.name for item in target.parent.iterdir()] == ["target"]


def test_a_link_to_nothing_makes_the_file_it_names(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("target")
    write_atomic(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path, content = _fifo(tmp_path), os.urandom(1 << 20)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as reader:
        found: list[bytes] = []
        thread = threading.Thread(target=lambda: found.append(reader.communicate()[0]))
        thread.start()
        write_atomic(path, content)
        thread.join()
    assert found == [content]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_pipe_that_nobody_reads_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_READER_LIMIT_S", 0.05)
    path = _fifo(tmp_path)
    with pytest.raises(UserError, match=r"cannot write .*pipe: nobody reads from this pipe"):
        write_atomic(path, "text")
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_full_device_is_an_error_and_stays_a_device(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    for path in (Path("/dev/full"), link):
        with pytest.raises(UserError, match="No space left on device"):
            write_atomic(path, "text")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert link.is_symlink()


def test_a_device_stays_a_device() -> None:
    write_atomic(Path("/dev/null"), "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_standard_output_is_continued_where_it_goes_to_a_file(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from consilico.sim.base.files import write_atomic\n"
        "os.write(1, b'before ')\n"
        "for name in ('/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'): write_atomic(Path(name), 'x')"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "before xxx"


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["os.fdopen", "pathlib.Path.replace"])
def test_a_full_disk_keeps_the_earlier_file_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "x.json"
    write_atomic(path, "earlier")
    monkeypatch.setattr(step, _no_space)
    with pytest.raises(UserError, match=r"cannot write .*x\.json: No space left on device"):
        write_atomic(path, "later")
    monkeypatch.undo()
    assert path.read_text() == "earlier"
    assert [item.name for item in tmp_path.iterdir()] == ["x.json"]


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_atomic(tmp_path / "file" / "x.json", "text")


def test_a_folder_in_the_file_s_place_stays(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_atomic(tmp_path / "x.json", "text")
    assert [item.name for item in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("way", ["itself", "link", "other name"])
def test_what_was_read_is_not_written_to_by_a_command(tmp_path: Path, way: str) -> None:
    path, target = tmp_path / "in", tmp_path / "out"
    path.write_text("input")
    if way == "link":
        target.symlink_to(path)
    elif way == "other name":
        target.hardlink_to(path)
    else:
        target = path
    with protecting_inputs():
        read_input(path)
        with pytest.raises(UserError, match=r"cannot write .*: it is what was read; accepted: ano"):
            write_atomic(target, "output")
        write_atomic(tmp_path / "other", "output")
    assert path.read_text() == "input"
    write_atomic(target, "output")  # outside of a command


def test_what_a_command_wrote_it_may_write_again(tmp_path: Path) -> None:
    with protecting_inputs():
        write_atomic(tmp_path / "out", "one")
        write_atomic(tmp_path / "out", "two")
    assert (tmp_path / "out").read_text() == "two"
