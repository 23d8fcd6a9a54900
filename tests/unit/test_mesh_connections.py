"""Open connections by the version that answers them."""

from mesh_world import a_spec, a_world
from spacecloud.mesh.connections import answering
from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey, ServiceRef

API = ServiceKey("shop", "api")
WEB, JOB = "10.120.0.2", "10.120.0.130"


def test_a_version_has_those_of_its_own_domain_and_of_the_services() -> None:
    world = a_world({"shop/api": {"v1": a_spec(), "v2": a_spec()}})
    its = world.addresses.services[API]
    connections = {
        (WEB, str(its.vip), 8080): 2,
        (WEB, str(its.versions["v1"]), 8080): 3,
        (JOB, str(its.versions["v1"]), 8080): 1,
        (JOB, str(its.versions["v2"]), 8080): 7,
    }

    found = answering(connections, Policy(world).faces().values())

    assert found == {
        ServiceRef("shop", "api", "v1"): {WEB: 5, JOB: 1},
        ServiceRef("shop", "api", "v2"): {JOB: 7},
    }


def test_what_dials_no_port_of_a_service_is_with_none() -> None:
    world = a_world({"shop/api": a_spec()})
    vip = str(world.addresses.services[API].vip)

    faces = Policy(world).faces().values()

    assert answering({(WEB, vip, 9): 1, (WEB, "10.121.9.9", 8080): 1}, faces) == {}
