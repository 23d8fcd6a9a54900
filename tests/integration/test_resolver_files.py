"""The files themselves: whole or not there, and read back as they are."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from spacecloud.drivers.docker.host.dns import DnsmasqNames
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.errors import Transient
from spacecloud.model.refs import ServiceKey

API = ServiceKey("shop", "api")
WEB = ServiceKey("shop", "web")
NAMES = ((API.domain, "10.184.1.0"),)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


async def test_what_is_published_is_read_back_by_another_process(run: RunDirectory) -> None:
    await DnsmasqNames(run).publish(API, NAMES)
    await DnsmasqNames(run).publish(WEB, ((WEB.domain, "10.184.1.1"),))

    assert await DnsmasqNames(run).published() == {
        API: NAMES,
        WEB: ((WEB.domain, "10.184.1.1"),),
    }


async def test_no_names_is_no_file_however_often_it_is_said(run: RunDirectory) -> None:
    names = DnsmasqNames(run)
    await names.publish(API, NAMES)

    await names.publish(API, ())
    await names.publish(API, ())

    assert list(run.names.iterdir()) == []
    assert await names.published() == {}


async def test_nothing_is_published_where_there_is_no_folder_yet(run: RunDirectory) -> None:
    assert await DnsmasqNames(run).published() == {}


async def test_the_folder_is_made_again_when_it_is_gone(run: RunDirectory) -> None:
    names = DnsmasqNames(run)
    await names.publish(API, NAMES)
    for file in run.names.iterdir():
        file.unlink()
    run.names.rmdir()

    await names.publish(API, NAMES)

    assert await names.published() == {API: NAMES}


async def test_the_resolver_may_read_what_root_wrote(run: RunDirectory) -> None:
    await DnsmasqNames(run).publish(API, NAMES)

    (file,) = run.names.iterdir()
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.parent.stat().st_mode & 0o005 == 0o005


async def test_a_reader_never_sees_half_a_file(run: RunDirectory) -> None:
    names = DnsmasqNames(run)
    few = tuple((f"s{n}.shop.svc.cluster.local", "10.184.1.0") for n in range(2))
    many = tuple((f"s{n}.shop.svc.cluster.local", "10.184.1.0") for n in range(900))
    await names.publish(API, few)
    file = run.names / "shop.api"
    seen, ended = set(), threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(file.read_text().count("\n"))

    reader = asyncio.create_task(asyncio.to_thread(read))
    for n in range(60):
        await names.publish(API, (few, many)[n % 2])
    ended.set()
    await reader

    assert seen <= {2, 900}
    assert [entry.name for entry in run.names.iterdir()] == ["shop.api"]


async def test_what_somebody_made_of_a_file_is_shown_and_can_be_mended(run: RunDirectory) -> None:
    names = DnsmasqNames(run)
    await names.publish(API, NAMES)
    (run.names / "shop.api").write_bytes(b"10.184.1.0 \xff.shop\n")
    (run.names / "shop.api~").write_text("10.184.1.0 old\n")
    (run.names / "notes").write_text("10.184.1.0 notes\n")

    assert (await names.published()).keys() == {API}
    assert (await names.published())[API] != NAMES
    await names.publish(API, NAMES)
    assert (await names.published())[API] == NAMES


async def test_the_platform_s_own_file_is_no_service(run: RunDirectory) -> None:
    names = DnsmasqNames(run)
    await names.publish(API, NAMES)
    (run.names / "space-cloud.host").write_text("10.184.0.11 host\n")

    assert await names.published() == {API: NAMES}


async def test_a_folder_that_cannot_be_used_is_said_with_its_cause(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.names.write_text("a file")

    with pytest.raises(Transient, match="cannot write the names of shop/api"):
        await DnsmasqNames(run).publish(API, NAMES)
    with pytest.raises(Transient, match="cannot read"):
        await DnsmasqNames(run).published()


@pytest.mark.attack
async def test_what_is_no_file_under_a_service_s_name_holds_up_nobody_else(
    run: RunDirectory,
) -> None:
    names = DnsmasqNames(run)
    await names.publish(WEB, ((WEB.domain, "10.184.1.1"),))
    folder = run.names
    (folder / "shop.api").mkdir()
    os.mkfifo(folder / "shop.pipe")
    (folder / "shop.link").symlink_to("/dev/zero")

    async with asyncio.timeout(30):
        assert list(await names.published()) == [WEB]
    with pytest.raises(Transient):
        await names.publish(API, NAMES)
