"""Where moto's EC2 forgets what it was told about groups, so that Terraform would plan changes after every apply.

And where it keeps what AWS lets go: the network interfaces of terminated instances.
"""

from typing import Any

from moto.ec2.models.instances import InstanceBackend, Reservation
from moto.ec2.models.security_groups import SecurityGroupRule

from deployments.rehearsal.cloud.patching import replace


def install() -> None:
    """Keep the groups of an instance's first network interface, and the descriptions of rules between groups."""
    original = InstanceBackend.run_instances
    original_terminate = InstanceBackend.terminate_instances

    def terminate_instances(backend: InstanceBackend, instance_ids: list[str]) -> Any:  # noqa: ANN401 (moto's own)
        terminated = original_terminate(backend, instance_ids)
        for instance_id in instance_ids:
            for interface in backend.get_instance(instance_id).nics.values():
                backend.enis.pop(interface.id, None)  # type: ignore[attr-defined]  # another part of the same backend
        return terminated

    def run_instances(backend: InstanceBackend, *args: object, **kwargs: Any) -> Reservation:  # noqa: ANN401 (moto's own)
        # Terraform names the groups in the interface when it asks for a public address; moto shows as an instance's
        # groups only those named for the instance.
        for interface in kwargs.get("nics", []):
            if int(interface.get("DeviceIndex", -1)) == 0 and not kwargs.get("security_group_ids"):
                kwargs["security_group_ids"] = interface.pop("Groups", [])
        return original(backend, *args, **kwargs)  # type: ignore[arg-type]  # moto's own arguments, handed on

    replace(InstanceBackend, "run_instances", run_instances)
    replace(InstanceBackend, "terminate_instances", terminate_instances)
    replace(SecurityGroupRule, "description", property(_description))


def _description(rule: SecurityGroupRule) -> str | None:
    return rule.ip_range.get("Description") or rule.source_group.get("Description")
