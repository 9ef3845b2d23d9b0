"""run.py - one suite of the conformance tests against `glim serve` (docs: the heads of the files; the list they follow
is OpenAI's API as its official SDKs read it).

    GLIM=build/glim python3 tests/conformance/run.py api [WORD...]     a suite, or its tests whose names hold a word
    GLIM_SOAK=1 ...                                                    the long forms
    GLIM_TIMES=1 ...                                                   how long each test took

  api       every route: schemas of replies and chunks, headers, the SDK
  vectors   seventeen streams that SDKs must or must not be sent
  node      the Node SDK's rules of errors, retries, events and their end
  bad       a table of bad requests with status, type, code and param
  wire      bytes that no client should send: framing, smuggling, sizes, depth
  equal     a stream's chunks make up the whole reply, over random requests
  gone      clients that leave, at every chunk
  script    a model that says what the test wants: tool calls, reasoning, split characters
  keys      keys, tenants and adapters: who may, and who shares a prefix with whom
  desk      the service desk with a model that says what the test wants: what is shown, what it costs, who pays
  files     uploads, lists, contents, removal, and whose they are
  jobs      fine-tuning from an upload to an answer: steering, restarts, kills, tenants
"""
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import harness  # noqa: E402

if len(sys.argv) < 2:
    sys.exit(__doc__)
harness.run(importlib.import_module("test_" + sys.argv[1]))
