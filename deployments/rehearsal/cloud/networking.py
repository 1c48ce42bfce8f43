"""Where moto's EC2 forgets what it was told about groups, so that Terraform would plan changes after every apply.

And where it keeps what AWS lets go: the network interfaces made with an instance or a NAT gateway.
"""

from typing import Any

from moto.ec2.models.instances import InstanceBackend, Reservation
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupRule

from deployments.rehearsal.cloud.patching import replace


def install() -> None:
    """Keep the groups of an instance's first network interface, and the descriptions of rules between groups."""
    original = InstanceBackend.run_instances
    original_terminate = InstanceBackend.terminate_instances

    def terminate_instances(backend: InstanceBackend, instance_ids: list[str]) -> Any:  # noqa: ANN401 (moto's own)
        terminated = original_terminate(backend, instance_ids)
        for instance_id in instance_ids:
            instance = backend.get_instance(instance_id)
            for index, interface in list(instance.nics.items()):
                # The first was made with the instance, the others were attached to it.
                if int(index) > 0:
                    instance.detach_eni(interface)
                else:
                    backend.enis.pop(interface.id, None)  # type: ignore[attr-defined]  # another part of the same backend
        return terminated

    original_delete = NatGatewayBackend.delete_nat_gateway

    def delete_nat_gateway(backend: NatGatewayBackend, nat_gateway_id: str) -> NatGateway:
        deleted = original_delete(backend, nat_gateway_id)
        backend.enis.pop(deleted._eni.id, None)  # type: ignore[attr-defined]  # noqa: SLF001 (as above)
        return deleted

    def run_instances(backend: InstanceBackend, *args: object, **kwargs: Any) -> Reservation:  # noqa: ANN401 (moto's own)
        # Terraform names the groups in the interface when it asks for a public address; moto shows as an instance's
        # groups only those named for the instance.
        for interface in kwargs.get("nics", []):
            if int(interface.get("DeviceIndex", -1)) == 0 and not kwargs.get("security_group_ids"):
                kwargs["security_group_ids"] = interface.pop("Groups", [])
        return original(backend, *args, **kwargs)  # type: ignore[arg-type]  # moto's own arguments, handed on

    replace(InstanceBackend, "run_instances", run_instances)
    replace(InstanceBackend, "terminate_instances", terminate_instances)
    replace(NatGatewayBackend, "delete_nat_gateway", delete_nat_gateway)
    replace(SecurityGroupRule, "description", property(_description))


def _description(rule: SecurityGroupRule) -> str | None:
    return rule.ip_range.get("Description") or rule.source_group.get("Description")
