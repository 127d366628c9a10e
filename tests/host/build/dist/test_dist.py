"""`linkpulse dist`: what is listed, left out and replaced, with kinds of packages made up here."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import types
import zipfile

import pytest

from linkpulse_tools import cli, paths
from linkpulse_tools.build.dist import command as dist
from linkpulse_tools.build.dist import files as dist_files
from linkpulse_tools.build.dist.files import Member
from linkpulse_tools.errors import ToolError


@pytest.fixture
def kinds(monkeypatch, tmp_path):
    """kinds(name=build, ...) lists these kinds alone; what is built goes to a folder of the test's."""
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")

    def use(**builds):
        monkeypatch.setattr(dist, "KINDS", {name: f"made_up_{name}" for name in builds})
        for name, build in builds.items():
            module = types.ModuleType(f"made_up_{name}", f"The kind {name}.\n\nMore of it.")
            module.build = build
            monkeypatch.setitem(sys.modules, f"linkpulse_tools.build.dist.made_up_{name}", module)
        return tmp_path / "build" / "dist"

    return use


def one(out):
    (out / "one.txt").write_bytes(b"1\n")
    return [out / "one.txt"]


def two(out):
    (out / "deep").mkdir()
    (out / "deep" / "two.txt").write_bytes(b"2\n")
    return [out / "deep" / "two.txt"]


LONG = "linkpulse-mpy-armv7emsp-" + "0" * 60 + ".zip"


def long(out):
    (out / LONG).touch()
    return [out / LONG]


def lacking(out):
    raise dist_files.Unavailable("the program three is not installed")


def run(*arguments) -> int:
    try:
        cli.main(["dist", *arguments])
    except SystemExit as end:
        return end.code
    return 0


def test_every_file_is_in_the_sums_and_shown(kinds, capsys):
    out = kinds(one=one, long=long)
    assert run() == 0 and f" {LONG} " in capsys.readouterr().out
    out = kinds(one=one, two=two)
    assert run("--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["name"], row["bytes"]) for row in shown["files"]] == [
        ("one", "one.txt", 2),
        ("two", "deep/two.txt", 2),
    ]
    assert shown["left_out"] == {}
    said = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=out, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "deep/two.txt: OK\none.txt: OK\n")


def test_kind_without_its_program_is_left_out_and_named(kinds, capsys):
    out = kinds(one=one, three=lacking)
    assert run() == 0
    shown = capsys.readouterr()
    assert "one.txt" in shown.out
    assert "left out: three: the program three is not installed" in shown.err
    assert len((out / "SHA256SUMS").read_text().splitlines()) == 1


def test_nothing_built_is_a_failure(kinds, capsys):
    kinds(three=lacking)
    assert run() == 1
    assert "no package was built" in capsys.readouterr().err


def test_what_was_built_before_goes_and_stays_after_an_error(kinds, capsys):
    out = kinds(one=one)
    out.mkdir(parents=True)
    (out / "old.txt").write_text("old")
    assert run() == 0
    assert sorted(path.name for path in out.iterdir()) == ["SHA256SUMS", "one.txt"]

    def broken(folder):
        raise ToolError("no such thing")

    kinds(two=two, broken=broken)
    assert run() == 1
    assert "no such thing" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["SHA256SUMS", "one.txt"]
    assert [path.name for path in out.parent.iterdir()] == ["dist"]


def test_dry_run_builds_nothing(kinds, capsys):
    out = kinds(one=one)
    assert run("--dry-run") == 0
    assert "The kind one." in capsys.readouterr().out
    assert run("--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "kinds": {"one": "The kind one."}}
    assert not out.exists()


@pytest.mark.parametrize("make", [dist_files.tar_gz, dist_files.zip_file])
def test_archives_hold_what_they_were_given_and_are_the_same_twice(make, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    members = {"b/run": Member(b"#!/bin/sh\n", 0o755), "a": Member(b"text")}
    first = make(tmp_path / "first", members)
    assert make(tmp_path / "second", dict(reversed(members.items()))).read_bytes() == first.read_bytes()
    if make is dist_files.zip_file:
        with zipfile.ZipFile(first) as archive:
            found = {i.filename: Member(archive.read(i), i.external_attr >> 16 & 0o7777) for i in archive.infolist()}
            assert archive.infolist()[0].date_time == (2023, 11, 14, 22, 13, 20)
    else:
        with tarfile.open(first) as archive:
            found = {i.name: Member(archive.extractfile(i).read(), i.mode) for i in archive}
            assert {(i.mtime, i.uid, i.gid, i.uname) for i in archive} == {(1700000000, 0, 0, "root")}
    assert found == members


def test_date_is_the_last_commit_unless_it_is_given(monkeypatch, tmp_path):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert dist_files.epoch() == dist_files.EARLIEST
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    dated = {**dist_files.environment(), "GIT_COMMITTER_DATE": "1600000000 +0000"}
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], env=dated, check=True)
    assert dist_files.epoch() == 1600000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert dist_files.epoch() == 1700000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ToolError, match="seconds since 1970"):
        dist_files.epoch()


def test_every_kind_is_built_and_the_same_bytes_come_again(tmp_path):
    if not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    made = dist.make(tmp_path / "first")
    assert made.left_out == {}
    assert list(made.files) == list(dist.KINDS)
    umask = os.umask(0o077)  # what a file's maker may hide is no part of a package
    try:
        dist.make(tmp_path / "second")
    finally:
        os.umask(umask)
    first = (tmp_path / "first" / "SHA256SUMS").read_text()
    assert (tmp_path / "second" / "SHA256SUMS").read_text() == first
    named = {line.split(maxsplit=1)[1] for line in first.splitlines()}
    assert named == {path.relative_to(tmp_path / "first").as_posix() for paths in made.files.values() for path in paths}
