"""Starts LocalStack on the loopback interface only.

LocalStack 4.13 binds every IPv4 interface, whatever GATEWAY_LISTEN says (a TODO in its own Twisted server), which would
offer the bucket to the whole network.
"""

from functools import partial

from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")

from localstack.runtime.main import main  # noqa: E402

main()
