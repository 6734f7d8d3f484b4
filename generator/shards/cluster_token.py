"""Finds out whether a Ray cluster wants a token, before Ray connects to it.

Ray 2.60 protects a cluster with a token if it is started by an account that has one in ~/.ray. A
driver must send this token, but not to a cluster without one, whose workers would refuse it. Ray
itself does not ask the cluster; it fails after twenty seconds, or hangs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from rankgen.generator.shards.environment import environment
from rankgen.manifests.errors import EnvironmentProblem

MODE_VARIABLE = "RAY_AUTH_MODE"
_ANSWER_SECONDS = 30.0
_USE_TOKEN = (
    "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token to what "
    "`ray get-auth-token` prints on the cluster's head"
)


@contextlib.contextmanager
def token_mode(address: str | None) -> Iterator[None]:
    """Makes Ray send a token while the block runs, if the cluster wants one.

    Args:
        address: A cluster's address; None for a Ray started on this machine, which decides itself.

    Raises:
        EnvironmentProblem: No cluster answers, it wants a token that this account does not have,
            or RAY_AUTH_MODE contradicts what it wants.
    """
    mode = os.environ.get(MODE_VARIABLE)
    wanted = None if address is None else wants_token(address)
    if wanted is not None:
        _refuse_opposite(address, mode, wanted)
        mode = "token" if wanted else "disabled"
    try:
        # Ray also sets the variable when it starts here; a later cluster must not inherit it.
        with environment({MODE_VARIABLE: mode}):
            _reread_mode()
            if wanted:
                _check_token(str(address))
            yield
    finally:
        _reread_mode()


def wants_token(address: str) -> bool | None:
    """Says whether a cluster refuses calls without a token; None if only Ray knows its address.

    Raises:
        EnvironmentProblem: No cluster answers. Ray itself would try for a quarter of an hour.
    """
    server = _server(address)
    return None if server is None else _refuses(address, server, ())


def _refuses(address: str, server: str, header: tuple[tuple[str, str], ...]) -> bool:
    import grpc

    # Generated code without types, as the class below.
    from ray.core.generated.gcs_service_pb2 import CheckAliveRequest  # type: ignore[attr-defined]
    from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

    with grpc.insecure_channel(server) as channel:
        # Generated code without types.
        ask = NodeInfoGcsServiceStub(channel).CheckAlive  # type: ignore[no-untyped-call]
        try:
            ask(
                CheckAliveRequest(),
                timeout=_ANSWER_SECONDS,
                metadata=header,
                # A cluster may be starting.
                wait_for_ready=True,
            )
        except grpc.RpcError as error:
            code = error.code()
            if code == grpc.StatusCode.UNAUTHENTICATED:
                return True
            # The port of ray:// serves other calls, but checks the token first.
            if code == grpc.StatusCode.UNIMPLEMENTED:
                return False
            raise EnvironmentProblem(
                f"no Ray cluster answers at {address} within {_ANSWER_SECONDS:.0f} s ({code.name})",
                "start one with `ray start --head`, or leave out --ray-address to use this machine",
            ) from None
    return False


def _server(address: str) -> str | None:
    """Returns host:port of an address; None if it is invalid, which Ray itself reports."""
    from ray._private.services import canonicalize_bootstrap_address

    if address.startswith("ray://"):
        return address.removeprefix("ray://").partition("/")[0]
    try:
        return canonicalize_bootstrap_address(address)
    # An invalid address or an unknown host: ray.init reports it.
    except Exception:
        return None


def _refuse_opposite(address: str | None, named: str | None, wanted: bool) -> None:
    if named is None or (named.lower() == "token") == wanted:
        return
    if wanted:
        raise EnvironmentProblem(
            f"the Ray cluster at {address} wants a token, but RAY_AUTH_MODE={named} is set",
            "set RAY_AUTH_MODE=token, or unset it",
        )
    raise EnvironmentProblem(
        f"the Ray cluster at {address} was started without a token, but RAY_AUTH_MODE={named} "
        "is set",
        "unset RAY_AUTH_MODE",
    )


def _check_token(address: str) -> None:
    # Ray's compiled module, whose types leave this out.
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

    loader = AuthenticationTokenLoader.instance()
    loader.reset_cache()
    if not loader.has_token(ignore_auth_mode=True):
        raise EnvironmentProblem(
            f"the Ray cluster at {address} wants a token, and this account does not have one",
            _USE_TOKEN,
        )
    header = tuple(loader.get_token_for_http_header().items())
    server = _server(address)
    if server is not None and _refuses(address, server, header):
        raise EnvironmentProblem(
            f"the Ray cluster at {address} refuses the token of this account", _USE_TOKEN
        )


def _reread_mode() -> None:
    """Makes Ray read RAY_AUTH_MODE and the token again, which it otherwise reads only once."""
    # Ray's compiled module, whose types leave these out.
    from ray._raylet import (  # type: ignore[attr-defined]
        AuthenticationTokenLoader,
        Config,
    )

    # In this order, because a thread of the last session may still read the token.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
