"""Who somebody is and what they may do; everything that is not allowed is denied."""

from pathserve.access.accounts import Account, Accounts, IssuedLink, IssuedToken, TokenRecord, digest
from pathserve.access.members import Members, Membership
from pathserve.access.policy import Action, Actor, Decision, Resource, Role, allow, projects_for, require

__all__ = [
    "Account",
    "Accounts",
    "Action",
    "Actor",
    "Decision",
    "IssuedLink",
    "IssuedToken",
    "Members",
    "Membership",
    "Resource",
    "Role",
    "TokenRecord",
    "allow",
    "digest",
    "projects_for",
    "require",
]
