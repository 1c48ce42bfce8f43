"""Cost Explorer: which tags are active as cost-allocation tags.

Costs themselves are seeded at moto's own `/moto-api/static/ce/cost-and-usage-results`.
"""

import json
import os

from moto.ce.responses import CostExplorerResponse

from deployments.rehearsal.cloud.patching import add

ACTIVE_TAGS_VARIABLE = "REHEARSAL_COST_TAGS"
"""Environment variable with the active tag keys, separated by commas; default none, as in a new account."""


def install() -> None:
    """Make `ListCostAllocationTags` answer with the tags named in the environment."""
    active = [key.strip() for key in os.environ.get(ACTIVE_TAGS_VARIABLE, "").split(",") if key.strip()]

    def list_cost_allocation_tags(response: CostExplorerResponse) -> str:
        asked = json.loads(response.body)
        keys = [key for key in active if key in asked.get("TagKeys", active)]
        if asked.get("Status", "Active") != "Active" or asked.get("Type", "UserDefined") != "UserDefined":
            keys = []
        tags = [{"TagKey": key, "Type": "UserDefined", "Status": "Active"} for key in keys]
        return json.dumps({"CostAllocationTags": tags})

    add(CostExplorerResponse, "list_cost_allocation_tags", list_cost_allocation_tags)
