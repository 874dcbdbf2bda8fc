"""What a client asks of a node."""

from support import Server


def verified(server: Server, caller: str, secret: str) -> tuple[int, str]:
    """The status of a verification of `secret` by `caller`, and its code, or the error's."""
    answer = server.request(
        "POST", "/auth/api-keys/verify", json={"key": secret}, headers={"X-API-Key": caller}
    )
    return answer.status_code, str(answer.json()["code"])
