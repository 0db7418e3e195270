"""A self-connected agent: the messages of the protocol over ZeroMQ, as docs/protocol.md tells."""

import glob
import importlib
import os
import subprocess
import sys

import zmq

ANSWER_WITHIN_MS = 30000


class SelfConnected:
    """One agent on a connection of its own. folder is a temporary one that takes the generated messages."""

    def __init__(self, endpoint, folder, agent_id):
        source = os.environ["GANGER_SOURCE"]
        protos = glob.glob(f"{source}/proto/ganger/v1/*.proto")
        subprocess.run(["protoc", "-I", f"{source}/proto", f"--python_out={folder}", *protos], check=True)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        self.agents = importlib.import_module("ganger.v1.agents_pb2")
        self.envelope = importlib.import_module("ganger.v1.envelope_pb2")
        self.agent_id = agent_id
        self.calls = 0
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()

    def call(self, method, **fields):
        """The answer's envelope, and its message when it is a good one."""
        self.calls += 1
        request = getattr(self.agents, f"{method}Request")(**fields)
        self.socket.send(self.envelope.Envelope(kind=self.envelope.REQUEST, call_id=self.calls,
                                                method=f"/ganger.v1.Agents/{method}",
                                                body=request.SerializeToString()).SerializeToString())
        if not self.socket.poll(ANSWER_WITHIN_MS):
            raise TimeoutError(method)
        answer = self.envelope.Envelope.FromString(self.socket.recv())
        return answer, getattr(self.agents, f"{method}Response").FromString(answer.body)

    def register(self, incarnation):
        return self.call("RegisterAgent", agent_id=self.agent_id, incarnation=incarnation)

    def claim(self, agent_type, incarnation=1):
        """One task, started; its id and fence."""
        _, response = self.call("ClaimTasks", agent_type=agent_type, agent_id=self.agent_id, incarnation=incarnation,
                                claim_seq=self.calls + 1, start=True)
        (assignment,) = response.assignments
        return assignment.task.task_id, assignment.task.fence
