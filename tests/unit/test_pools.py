"""The pools are those that the policies ask for."""

from __future__ import annotations

from include.archiver.naming import maintenance_pool_name, pool_name
from include.archiver.policy import load
from include.pools import DEFAULT_POLICIES, pools
from tests.unit.test_policy_cases import CASES


def test_each_instance_has_a_pool_of_the_size_that_its_entry_says() -> None:
    made = {name: pool["slots"] for name, pool in pools(load(CASES / "pool_slots" / "policies.yaml")).items()}
    assert made == {
        pool_name("small"): 2,
        pool_name("usual"): 6,
        maintenance_pool_name("small"): 1,
        maintenance_pool_name("usual"): 1,
    }


def test_the_shipped_policies_have_pools_for_all_their_connections() -> None:
    policies = load(DEFAULT_POLICIES)
    assert {pool_name(conn_id) for conn_id in policies.conn_ids} <= pools(policies).keys()
