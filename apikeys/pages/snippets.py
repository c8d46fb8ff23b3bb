"""The ready-to-paste first request in six languages. Each one reads the secret from the environment."""

from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# The operator's variable and path take the place of these, as the address takes that of API_URL.
_VARIABLE, _PATH = "KEY_VARIABLE", "/files"

_CURL = """\
curl API_URL/files \\
  -H "Authorization: Bearer $KEY_VARIABLE"
"""

_JAVASCRIPT = """\
const API_URL = 'API_URL'
const key = process.env.KEY_VARIABLE

fetch(API_URL + '/files', {headers: {'Authorization': 'Bearer ' + key}})
  .then(response => response.json())
  .then(body => console.log(body))
"""

_PYTHON = """\
import json
import os
import urllib.request

request = urllib.request.Request(
    "API_URL/files",
    headers={"Authorization": f"Bearer {os.environ['KEY_VARIABLE']}"},
)
with urllib.request.urlopen(request) as response:
    print(json.load(response))
"""

_PHP = """\
<?php
$context = stream_context_create(['http' => [
    'header' => 'Authorization: Bearer ' . getenv('KEY_VARIABLE'),
]]);
print_r(json_decode(file_get_contents('API_URL/files', false, $context), true));
"""

_RUBY = """\
require 'json'
require 'net/http'

response = Net::HTTP.get(
  URI('API_URL/files'),
  'Authorization' => "Bearer #{ENV.fetch('KEY_VARIABLE')}"
)
puts JSON.parse(response)
"""

_GO = """\
package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	request, err := http.NewRequest("GET", "API_URL/files", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("KEY_VARIABLE"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
}
"""

_LANGUAGES = [
    ("curl", "curl", "bash", _CURL),
    ("javascript", "JavaScript", "javascript", _JAVASCRIPT),
    ("python", "Python", "python", _PYTHON),
    ("php", "PHP", "php", _PHP),
    ("ruby", "Ruby", "ruby", _RUBY),
    ("go", "Go", "go", _GO),
]


class Snippet(NamedTuple):
    slug: str
    label: str
    code: str
    html: SafeString


def api_url(request: HttpRequest) -> str:
    """Where programs send their requests: API_URL, or this server's own API."""
    return settings.API_URL.rstrip("/") or request.build_absolute_uri("/api/v1")


def snippets_for(url: str) -> tuple[Snippet, ...]:
    """A snippet for each language, with its code as text and as highlighted HTML without inline styles."""
    return _written(url, settings.BRAND.key_variable, settings.BRAND.snippet_path)


@lru_cache(maxsize=16)
def _written(url: str, variable: str, path: str) -> tuple[Snippet, ...]:
    formatter = HtmlFormatter(nowrap=True)
    made = []
    for slug, label, lexer, template in _LANGUAGES:
        # Only the address is replaced. The JavaScript constant of that name stays.
        code = (
            template.replace(_PATH, path)
            .replace(_VARIABLE, variable)
            .replace("'API_URL", f"'{url}")
            .replace('"API_URL', f'"{url}')
            .replace("curl API_URL", f"curl {url}")
        )
        html = highlight(code, get_lexer_by_name(lexer, startinline=True), formatter)
        made.append(Snippet(slug, label, code, mark_safe(html)))  # noqa: S308  Pygments escapes the code
    return tuple(made)
