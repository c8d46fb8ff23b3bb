import os, re
from tests.fuzz.attacker import Attacker
from tests.fuzz.budget import attempt
from tests.fuzz.stage import forget_limits
from tests.fuzz.strategy import attacks_on
from tests.fuzz.test_routes import ROUTES

def test_collect(server):
    a = Attacker(server)
    found = a.discover(ROUTES.values())
    only = os.environ.get("ONLY", "admin")
    out = open("/tmp/fz/collect.txt", "w")
    with out:
        for p, r in ROUTES.items():
            if not re.match(only, p): continue
            forget_limits()
            before = len(server.log_text())
            try:
                attempt(a.send, attacks_on(r, found), examples=int(os.environ.get("N", "40")), name="zz" + p)
            except BaseException as e:
                out.write(f"=== {p}\n{e!r}\n" + "\n".join(getattr(e, "__notes__", [])) + "\n")
                log = server.log_text()[before:]
                tails = set(re.findall(r"\n(\S*(?:Error|Exception)\S*: [^\n]{0,200})", log)) 
                out.write("\n".join(tails) + "\n"); out.flush()
                a._set_the_stage()
