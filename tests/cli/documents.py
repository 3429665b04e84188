"""Documents that the tests of the command line run."""

GATE = """\
schema_version: checkpointflow/v1
workflow:
  id: gate
  name: A gate
  version: 1.2.0
  inputs:
    type: object
    properties: {n: {type: integer}}
  steps:
    - {id: first, kind: cli, command: "echo one; echo two >&2"}
    - id: ask
      kind: await_event
      audience: user
      event_name: go
      prompt: May it go on?
      summary: It printed ${steps.first.stdout}
      risk_level: high
      input_schema:
        type: object
        required: [decision]
        properties: {decision: {enum: [approve, reject]}}
    - {id: last, kind: end, result: "${steps.ask.outputs.decision}"}
"""

FAILING = """\
schema_version: checkpointflow/v1
workflow:
  id: failing
  inputs: {type: object}
  steps:
    - {id: first, kind: cli, command: "echo to-stdout; echo to-stderr >&2"}
    - {id: bad, kind: cli, command: "test -e mended"}
    - {id: last, kind: end, result: fine}
"""

SLOW = """\
schema_version: checkpointflow/v1
workflow:
  id: slow
  inputs: {type: object}
  steps:
    - {id: mark, kind: cli, command: "echo x >> marks"}
    - {id: slow, kind: cli, command: "test -e fast || { echo >> started; sleep 30; }"}
    - {id: last, kind: end, result: fine}
"""

TWINS = """\
schema_version: checkpointflow/v1
workflow:
  id: twins
  inputs: {type: object}
  steps:
    - id: fan
      kind: parallel
      branches: [{start_at: a}, {start_at: b}, {start_at: c}]
    - {id: last, kind: end, result: "${steps.fan.outputs}"}
    - {id: a, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: b, kind: await_event, audience: agent, event_name: go, input_schema: {type: object}}
    - {id: c, kind: await_event, audience: system, event_name: "it's ready", input_schema: true}
"""

SLEEPING = """\
schema_version: checkpointflow/v1
workflow:
  id: sleeping
  inputs: {type: object}
  steps:
    - {id: night, kind: sleep, seconds: 86400}
"""

WARNED = """\
schema_version: checkpointflow/v1
workflow:
  id: warned
  inputs: {type: object, properties: {m: {type: string}}}
  steps:
    - {id: a, kind: cli, command: "echo a", if: "inputs.m == b"}
"""

BROKEN = """\
schema_version: checkpointflow/v1
workflow:
  id: broken
  inputs: {type: object}
  steps:
    - {id: a, kind: cli, comand: "echo a"}
    - {id: b, kind: cli, command: "echo b", next: nowhere}
"""
