"""Worlds that could be declared, and endpoints in them, for properties of the mesh."""

from hypothesis import strategies as st

from mesh_world import a_spec, a_world
from spacecloud.model.traffic import Endpoint

names = st.sampled_from(["a", "b", "c"])
some_peers = st.none() | st.lists(
    st.builds(
        lambda project, service: {"projectId": project, "service": service},
        st.just("*") | names,
        st.just("*") | names,
    ),
    max_size=3,
)
specs = st.builds(
    lambda whitelists, upstreams: a_spec(whitelists=whitelists, upstreams=upstreams),
    some_peers,
    some_peers,
)
worlds = st.dictionaries(
    st.builds(lambda project, service: f"{project}/{service}", names, names),
    st.none() | specs | st.fixed_dictionaries({"v1": specs, "v2": specs}),
    max_size=9,
).map(a_world)

endpoints = st.lists(
    st.builds(
        Endpoint,
        st.sampled_from(["v1", "v2"]),
        st.integers(2, 9).map(lambda n: f"10.120.0.{n}"),
        st.booleans(),
    ),
    max_size=4,
).map(tuple)
