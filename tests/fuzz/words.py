"""The parts of attacks. The stage fills in words in «»."""

from hypothesis import strategies as st

METHODS = ("GET", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "x")
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
TOKEN = "t" * 32  # a browser that has this in its cookie sends it along; so do we
MARK = "<fuzz-mark>"

HOSTILE = [
    *("", " ", "\x00", "a\x00b", "\r\nX-Evil: 1", "\n", "\x1b[31m", "\x7f", "\u202egnp.exe", "\ufffd", "\uffff", "٣"),
    *("x" * 300, "x" * 5_000, "9" * 400, "99999999999999999999", "-1", "0", "1e309", "NaN", "true", "[]", "{}", "None"),
    *("' OR 1=1 --", "%s%(x)s%n", "%00", "%FF", "../../etc/passwd", "{{ 7|add:7 }}", MARK, f'">{MARK}', "&" + MARK),
    *("//evil.example/", "https://evil.example/", "/\\evil.example", "http://[::1", "javascript:alert(1)", "data:,x"),
    *("2020-01-01", "9999-12-31", "0000-00-00", "usr_0000000000000000", "on", "{", '{"id": "\\u0000"}', "__proto__"),
]
REFERENCES = [
    *("«secret»", "«random»", "Bearer «secret»", "«own_secret»", "«project_id»", "«key_id»", "«file_id»", "«name»"),
    *("«own_project_id»", "«own_key_id»", "«project_name»", "«email»", "«id»", "«row»", "«never_key_id»"),
]
_ANY = st.text(st.characters(exclude_categories=()), max_size=30)
TEXT = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(REFERENCES), _ANY)
# A form's value may be stored and shown, as intended. So it contains a secret of no key instead of a real one.
KEPT = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(REFERENCES[4:]), st.just("«decoy»"), _ANY)
PATH_TEXT = st.one_of(st.sampled_from(HOSTILE).filter(lambda text: len(text) < 2_000), st.text(max_size=20))
HEADERS = [
    *("HX-Request", "HX-Target", "HX-Current-URL", "HX-Current-URL-URI-AutoEncoded", "HX-Trigger", "HX-Boosted"),
    *("Referer", "Origin", "Accept", "Accept-Encoding", "Accept-Language", "Content-Language", "User-Agent", "Range"),
    *("Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "X-Correlation-Id", "Cookie"),
    *("If-Modified-Since", "If-None-Match", "Content-Encoding", "X-CSRFToken", "X-Requested-With", "X-Http-Method"),
    *("X-HTTP-Method-Override", "Forwarded", "Via", "TE", "Upgrade", "Authorization", "Proxy-Authorization", "Expect"),
]
COOKIES = ["sessionid", "csrftoken", "messages", "__Host-session", "x"]
KINDS = [
    *("application/x-www-form-urlencoded", "application/json", "text/xml", "multipart/form-data", "", "*/*"),
    *("multipart/form-data; boundary=", "multipart/form-data; boundary=\x00", "text/plain; charset=hex"),
    *("application/x-www-form-urlencoded; charset=utf-16", "multipart/form-data; boundary=x; charset=utf-7"),
    *("a/b; x*=nope''%41", "multipart/form-data; boundary*=utf-8''x", "text/plain; charset*=utf-8''hex"),
]
# Values of an Authorization header; the first one opens the API.
CREDENTIALS = [
    *("Bearer «secret»", "Bearer «secret»", "bearer  «secret»", "Bearer «own_secret»", "Bearer «random»", "«secret»"),
    *("Bearer", "Basic «secret»", "Bearer «secret» x", "Bearer «secret», Bearer «own_secret»", "Bearer\t«secret»"),
]
