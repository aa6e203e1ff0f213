"""The vendors' own clients against our fakes: what they can read is what the real services answer.

    clients.py okta|github|workspace URL FOLDER

Prints the ids of all events, a line each, in the order in which they came."""

import asyncio
import json
import os
import re
import sys
from urllib.parse import parse_qs, urlsplit

SINCE, UNTIL = "2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


def after_of(link):
    """The cursor in the next page's address."""
    for part in re.findall(r'<([^>]*)>; rel="next"', link or ""):
        return parse_qs(urlsplit(part).query)["after"][0]
    return None


async def okta(url, folder):
    """Okta's SDK, with an API token and as a service app; its models check each event."""
    os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"
    from okta.client import Client

    key = open(os.path.join(folder, "private.pem")).read()
    token = {"orgUrl": url, "token": "s3cret"}
    app = {
        "orgUrl": url,
        "authorizationMode": "PrivateKey",
        "clientId": "0oa1",
        "scopes": ["okta.logs.read"],
        "privateKey": key,
    }
    found = []
    for configuration in (token, app):
        client = Client(configuration)
        ids, after = [], None
        while True:
            more = {"after": after} if after else {}
            events, answer, error = await client.list_log_events(
                since=SINCE, until=UNTIL, sort_order="ASCENDING", limit=100, **more
            )
            assert error is None, error
            ids += [event.uuid for event in events]
            links = [value for name, value in answer.headers.items() if name.lower() == "link"]
            after = after_of(", ".join(links))
            if not after:
                break
        found.append(ids)
    assert found[0] == found[1]
    print("\n".join(found[0]))


def github(url, folder):
    """GitHubKit, made from GitHub's OpenAPI of Enterprise Cloud, as an app's installation."""
    from githubkit import AppInstallationAuthStrategy, GitHub

    key = open(os.path.join(folder, "private.pem")).read()
    auth = AppInstallationAuthStrategy(app_id="12345", private_key=key, installation_id=7)
    client = GitHub(auth, base_url=url + "/")
    rest = client.rest("ghec-2022-11-28")
    after = None
    while True:
        more = {"after": after} if after else {}
        answer = rest.orgs.get_audit_log(
            "example", phrase=f"created:{SINCE}..{UNTIL}", include="all", order="asc", per_page=100, **more
        )
        # GitHub's schema lists no `_document_id`, which its log has; what it lists is checked.
        assert answer.parsed_data
        for event in answer.json():
            print(event["_document_id"])
        after = after_of(answer.headers.get("link"))
        if not after:
            return


def workspace(url, folder):
    """Google's client and its discovery document, whose schemas check each page."""
    import google_auth_httplib2
    import httplib2
    import jsonschema
    from google.oauth2 import service_account
    from googleapiclient import discovery, discovery_cache

    scope = "https://www.googleapis.com/auth/admin.reports.audit.readonly"
    path = os.path.join(os.path.dirname(discovery_cache.__file__), "documents", "admin.reports_v1.json")
    document = json.load(open(path))
    credentials = service_account.Credentials.from_service_account_file(
        os.path.join(folder, "key.json"), scopes=[scope], subject="admin@example.com"
    )
    http = google_auth_httplib2.AuthorizedHttp(credentials, http=httplib2.Http())
    document["rootUrl"] = document["baseUrl"] = url + "/"
    document["servicePath"] = ""
    document.pop("mtlsRootUrl", None)
    service = discovery.build_from_document(document, http=http)
    schemas = {name: strict(schema) for name, schema in document["schemas"].items()}
    schema = {"$ref": "#/definitions/Activities", "definitions": schemas}
    call = service.activities().list(
        userKey="all", applicationName="login", startTime=SINCE, maxResults=100
    )
    while call is not None:
        page = call.execute()
        jsonschema.validate(page, schema)
        for item in page.get("items", []):
            print(item["id"]["uniqueQualifier"])
        call = service.activities().list_next(call, page)


def strict(schema):
    """A schema of a discovery document as JSON Schema that allows no other members."""
    kept = {}
    for name, value in schema.items():
        if name == "properties":
            kept[name] = {member: strict(inner) for member, inner in value.items()}
            kept["additionalProperties"] = False
        elif name in ("items", "additionalProperties"):
            kept[name] = strict(value)
        elif name == "$ref":
            kept[name] = "#/definitions/" + value
        elif name == "type" and value != "any":
            kept[name] = value
    return kept


if __name__ == "__main__":
    kind, url, folder = sys.argv[1:]
    if kind == "okta":
        asyncio.run(okta(url, folder))
    else:
        {"github": github, "workspace": workspace}[kind](url, folder)
