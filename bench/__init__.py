"""Measures Latchkey beside its peers, on the same machine in the same minutes. `make bench` runs it.

How it is measured:

- A rate is that of wrk with 16 connections; one wrong answer fails the row. All servers have one process and
  as many threads. The product is `manage.py serve` with counting of use; peers are set up as their documentation says.
- Every contender must allow good keys and reject a bad key and no key before its first sample.
- The database is a PostgreSQL of its own that waits for the disk, after a vacuum and a checkpoint.
- The measured server has a core of its own; PostgreSQL, wrk and proxies share the others (tools/cores.py).
- Two contenders take turns, in alternating order. A value is the median of the pairs' ratios. It goes on until the
  median is known to within 5 %, or for `most_rounds`; the range behind the value says how well it is known.
- Below the table stands the same ratio by processor time of the servers' processes. Where both agree, other load on
  the machine has not spoiled the value.
- With the lease on, the server's process has registered before the first sample (tools/registering.py).
- V6: four processes of two servers keep rows, and one of them is stopped with SIGSTOP before each change and goes on
  right after its answer. A pause by SQL shows first that rows are kept.
- V14: a relay holds back each direction for 2.5 ms. V15: PostgreSQL logs every statement, and the log is counted.
- R3, R4: two servers that differ in their threads alone; R4 has 64 connections.
- V16: docs/gateways/nginx.conf before an API that costs next to nothing, beside calls of the check itself.
- V17: the loads of tests/faults/loads.py; the check is timed before, during and after each.
"""
