"""IAM: roles, instance profiles, policies. The tagging API of a region does not list them."""

from __future__ import annotations

from tasks.clients.sweep.api import Api, Blocked, Kind
from tasks.clients.sweep.resources import Resource, State

# Roles of AWS's own services; nobody's run creates them.
_SERVICE_PATH = "/aws-service-role/"


def _find_roles(api: Api) -> dict[Resource, State]:
    names = [
        role["RoleName"]
        for role in api.every("iam", "list_roles", "Roles")
        if not role.get("Path", "/").startswith(_SERVICE_PATH)
    ]
    tagged = api.tagged(names, lambda name: api.every("iam", "list_role_tags", "Tags", RoleName=name))
    return {Resource("IAM role", name): State.PRESENT for name, _ in tagged}


def _loosen_role(api: Api, resource: Resource) -> None:
    role = {"RoleName": resource.id}
    # The run's own profiles are gone by now, or could not be deleted.
    profiles = [
        item["InstanceProfileName"]
        for item in api.every("iam", "list_instance_profiles_for_role", "InstanceProfiles", **role)
    ]
    for name in profiles:
        if not api.owns(_profile_tags(api, name)):
            raise Blocked(f"it is in instance profile {name}, which does not carry the run's tag: it was not touched")
    for name in profiles:
        api.call("iam", "remove_role_from_instance_profile", InstanceProfileName=name, **role)
    for policy in api.every("iam", "list_attached_role_policies", "AttachedPolicies", **role):
        api.call("iam", "detach_role_policy", PolicyArn=policy["PolicyArn"], **role)
    for name in api.every("iam", "list_role_policies", "PolicyNames", **role):
        api.call("iam", "delete_role_policy", PolicyName=name, **role)


def _delete_role(api: Api, resource: Resource) -> None:
    api.call("iam", "delete_role", RoleName=resource.id)


def _find_profiles(api: Api) -> dict[Resource, State]:
    names = [item["InstanceProfileName"] for item in api.every("iam", "list_instance_profiles", "InstanceProfiles")]
    tagged = api.tagged(names, lambda name: _profile_tags(api, name))
    return {Resource("instance profile", name): State.PRESENT for name, _ in tagged}


def _profile_tags(api: Api, name: str) -> list[dict[str, str]]:
    profile = api.call("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
    return list(profile.get("Tags", ()))


def _loosen_profile(api: Api, resource: Resource) -> None:
    profile = api.call("iam", "get_instance_profile", InstanceProfileName=resource.id)["InstanceProfile"]
    for role in profile["Roles"]:
        api.call(
            "iam", "remove_role_from_instance_profile",
            InstanceProfileName=resource.id, RoleName=role["RoleName"],
        )  # fmt: skip


def _delete_profile(api: Api, resource: Resource) -> None:
    api.call("iam", "delete_instance_profile", InstanceProfileName=resource.id)


def _find_policies(api: Api) -> dict[Resource, State]:
    policies = {
        item["Arn"]: item["PolicyName"] for item in api.every("iam", "list_policies", "Policies", Scope="Local")
    }
    tagged = api.tagged(policies, lambda arn: api.every("iam", "list_policy_tags", "Tags", PolicyArn=arn))
    return {Resource("IAM policy", arn, policies[arn]): State.PRESENT for arn, _ in tagged}


def _delete_policy(api: Api, resource: Resource) -> None:
    policy = {"PolicyArn": resource.id}
    # The run's own roles are gone by now, unless somebody uses them.
    for kind, name in (("Role", "RoleName"), ("User", "UserName"), ("Group", "GroupName")):
        for entity in api.every("iam", "list_entities_for_policy", f"Policy{kind}s", EntityFilter=kind, **policy):
            raise Blocked(
                f"it is attached to {kind.lower()} {entity[name]}, which the sweep leaves: it was not touched"
            )
    for version in api.every("iam", "list_policy_versions", "Versions", **policy):
        if not version["IsDefaultVersion"]:
            api.call("iam", "delete_policy_version", VersionId=version["VersionId"], **policy)
    api.call("iam", "delete_policy", **policy)


PROFILE = Kind(
    "instance profile", _find_profiles, _delete_profile,
    "aws iam delete-instance-profile --instance-profile-name {id}", ("iam:instance-profile/",), _loosen_profile,
)  # fmt: skip
ROLE = Kind(
    "IAM role", _find_roles, _delete_role,
    "aws iam delete-role --role-name {id}", ("iam:role/",), _loosen_role,
)  # fmt: skip
POLICY = Kind(
    "IAM policy", _find_policies, _delete_policy,
    "aws iam delete-policy --policy-arn {id}", ("iam:policy/",),
)  # fmt: skip
