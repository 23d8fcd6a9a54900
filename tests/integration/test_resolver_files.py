"""The files themselves: whole or not there, and read back as they are."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from spacecloud.drivers.docker.host.dns import DnsmasqNames, names_dir
from spacecloud.errors import Transient
from spacecloud.model.refs import ServiceKey
from spacecloud.settings import Settings

API = ServiceKey("shop", "api")
WEB = ServiceKey("shop", "web")
NAMES = ((API.domain, "10.184.1.0"),)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance="names", run=tmp_path)


async def test_what_is_published_is_read_back_by_another_process(settings: Settings) -> None:
    await DnsmasqNames(settings).publish(API, NAMES)
    await DnsmasqNames(settings).publish(WEB, ((WEB.domain, "10.184.1.1"),))

    assert await DnsmasqNames(settings).published() == {
        API: NAMES,
        WEB: ((WEB.domain, "10.184.1.1"),),
    }


async def test_no_names_is_no_file_however_often_it_is_said(settings: Settings) -> None:
    names = DnsmasqNames(settings)
    await names.publish(API, NAMES)

    await names.publish(API, ())
    await names.publish(API, ())

    assert list(names_dir(settings).iterdir()) == []
    assert await names.published() == {}


async def test_nothing_is_published_where_there_is_no_folder_yet(settings: Settings) -> None:
    assert await DnsmasqNames(settings).published() == {}


async def test_the_folder_is_made_again_when_it_is_gone(settings: Settings) -> None:
    names = DnsmasqNames(settings)
    await names.publish(API, NAMES)
    for file in names_dir(settings).iterdir():
        file.unlink()
    names_dir(settings).rmdir()

    await names.publish(API, NAMES)

    assert await names.published() == {API: NAMES}


async def test_the_resolver_may_read_what_root_wrote(settings: Settings) -> None:
    await DnsmasqNames(settings).publish(API, NAMES)

    (file,) = names_dir(settings).iterdir()
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.parent.stat().st_mode & 0o005 == 0o005


async def test_a_reader_never_sees_half_a_file(settings: Settings) -> None:
    names = DnsmasqNames(settings)
    few = tuple((f"s{n}.shop.svc.cluster.local", "10.184.1.0") for n in range(2))
    many = tuple((f"s{n}.shop.svc.cluster.local", "10.184.1.0") for n in range(900))
    await names.publish(API, few)
    file = names_dir(settings) / "shop.api"
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
    assert [entry.name for entry in names_dir(settings).iterdir()] == ["shop.api"]


async def test_what_somebody_made_of_a_file_is_shown_and_can_be_mended(settings: Settings) -> None:
    names = DnsmasqNames(settings)
    await names.publish(API, NAMES)
    (names_dir(settings) / "shop.api").write_bytes(b"10.184.1.0 \xff.shop\n")
    (names_dir(settings) / "shop.api~").write_text("10.184.1.0 old\n")
    (names_dir(settings) / "notes").write_text("10.184.1.0 notes\n")

    assert (await names.published()).keys() == {API}
    assert (await names.published())[API] != NAMES
    await names.publish(API, NAMES)
    assert (await names.published())[API] == NAMES


async def test_the_platform_s_own_file_is_no_service(settings: Settings) -> None:
    names = DnsmasqNames(settings)
    await names.publish(API, NAMES)
    (names_dir(settings) / "space-cloud.host").write_text("10.184.0.11 host\n")

    assert await names.published() == {API: NAMES}


async def test_a_folder_that_cannot_be_used_is_said_with_its_cause(tmp_path: Path) -> None:
    settings = Settings(instance="names", run=tmp_path)
    settings.run_dir.mkdir()
    names_dir(settings).write_text("a file")

    with pytest.raises(Transient, match="write the names of shop/api: "):
        await DnsmasqNames(settings).publish(API, NAMES)
    with pytest.raises(Transient, match="read the names: "):
        await DnsmasqNames(settings).published()


@pytest.mark.attack
async def test_what_is_no_file_under_a_service_s_name_holds_up_nobody_else(
    settings: Settings,
) -> None:
    names = DnsmasqNames(settings)
    await names.publish(WEB, ((WEB.domain, "10.184.1.1"),))
    folder = names_dir(settings)
    (folder / "shop.api").mkdir()
    os.mkfifo(folder / "shop.pipe")
    (folder / "shop.link").symlink_to("/dev/zero")

    async with asyncio.timeout(5):
        assert list(await names.published()) == [WEB]
    with pytest.raises(Transient):
        await names.publish(API, NAMES)
