"""Checks the exports in a folder with the readers they are meant for; started by scripts/validate."""
import csv
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

folder = sys.argv[1]
profile = sys.argv[2] if len(sys.argv) > 2 else ""
failures = 0


def say(ok, what, detail=""):
    global failures
    failures += ok is False
    print({True: "ok     ", False: "FAILED ", None: "skipped"}[ok], what, detail)


def field(name, kind="string", **constraints):
    extra = {"format": "%Y-%m-%dT%H:%M:%S%z"} if kind == "datetime" else {}
    return {"name": name, "type": kind, "constraints": constraints, **extra}


def camtrap_dp_offline(package, folder):
    """Without a network: types, required values, vocabularies, keys and references of the columns that we write, as Camtrap DP 1.0 has them."""
    from frictionless import Package

    degrees = {"minimum": -180, "maximum": 180}
    tables = {
        "deployments": ([field("deploymentID", required=True, unique=True), field("latitude", "number", required=True, minimum=-90, maximum=90),
                         field("longitude", "number", required=True, **degrees), field("coordinateUncertainty", "integer", minimum=1),
                         field("deploymentStart", "datetime", required=True), field("deploymentEnd", "datetime", required=True)], "deploymentID", {}),
        "media": ([field("mediaID", required=True, unique=True), field("deploymentID", required=True),
                   field("captureMethod", enum=["activityDetection", "timeLapse"]), field("timestamp", "datetime", required=True),
                   field("filePath", required=True, pattern=r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"), field("filePublic", "boolean", required=True),
                   field("fileMediatype", required=True, pattern="^(image|video|audio)/.*$")], "mediaID", {"deploymentID": "deployments"}),
        "observations": ([field("observationID", required=True, unique=True), field("deploymentID", required=True), field("mediaID"),
                          field("eventStart", "datetime", required=True), field("eventEnd", "datetime", required=True),
                          field("observationLevel", required=True, enum=["media", "event"]),
                          field("observationType", required=True, enum=["animal", "human", "vehicle", "blank", "unknown", "unclassified"]),
                          field("count", "integer", minimum=1), field("lifeStage", enum=["adult", "subadult", "juvenile"]),
                          field("sex", enum=["female", "male"]), field("classificationMethod", enum=["human", "machine"]),
                          field("classificationTimestamp", "datetime"), field("classificationProbability", "number", minimum=0, maximum=1)],
                         "observationID", {"deploymentID": "deployments", "mediaID": "media"}),
    }
    package = {key: value for key, value in package.items() if key != "profile"}
    for resource in package["resources"]:
        known, key, references = tables[resource["name"]]
        with open(os.path.join(folder, resource["path"]), newline="") as file:
            header = next(csv.reader(file))
        named = {one["name"]: one for one in known}
        assert set(named) <= set(header), set(named) - set(header)
        resource["schema"] = {"fields": [named.get(name, {"name": name, "type": "any"}) for name in header], "primaryKey": key, "missingValues": [""],
                              "foreignKeys": [{"fields": name, "reference": {"resource": table, "fields": name}} for name, table in references.items()]}
        resource.pop("profile")
    report = Package(package, basepath=folder).validate()
    say(report.valid, "camtrap-dp with frictionless, by the columns' own rules", "" if report.valid else report.flatten(["fieldName", "rowNumber", "message"])[:5])


def use_profile(profile_folder):
    """Lets frictionless read what Camtrap DP names on the net from a folder with the files of tdwg/camtrap-dp at 1.0.1: camtrap-dp-profile.json and the
    three table schemas; beside them data-package.json of frictionlessdata.io and geojson.json of schemastore.org, which the profile names."""
    import io

    import requests
    from frictionless import system
    from urllib3 import HTTPResponse

    class FromFolder(requests.adapters.BaseAdapter):
        def send(self, request, **_):
            answer = requests.Response()
            path = os.path.join(profile_folder, os.path.basename(urllib.parse.urlsplit(request.url).path))
            with open(path, "rb") as file:
                answer.raw = HTTPResponse(io.BytesIO(file.read()), status=200, preload_content=False)
            answer.status_code, answer.url, answer.request = 200, request.url, request
            return answer

        def close(self):
            pass

    session = requests.Session()
    session.mount("https://", FromFolder())
    session.mount("http://", FromFolder())
    return system.use_context(http_session=session, trusted=True)


def camtrap_dp(name, profile_folder):
    import contextlib

    from frictionless import Package, validate

    path = os.path.join(folder, name, "datapackage.json")
    with open(path) as file:
        package = json.load(file)
    if not profile_folder:
        try:
            urllib.request.urlopen(package["profile"], timeout=20).close()
        except (urllib.error.URLError, TimeoutError) as error:
            say(None, f"{name} with its profile", f"cannot be fetched ({error}); give a folder that holds it")
            camtrap_dp_offline(package, os.path.dirname(path))
            return
    with use_profile(profile_folder) if profile_folder else contextlib.nullcontext():
        report = validate(path)
        rows = sum(task.stats.get("rows", 0) for task in report.tasks)
        say(report.valid and len(report.tasks) == 3, f"{name} with frictionless, its profile and its table schemas", f"{rows} rows"
            if report.valid else (report.errors or report.flatten(["name", "fieldName", "rowNumber", "message"]))[:8])
        # a check that checks: each of these must be refused
        for what, spoil in (("no contributors", lambda it: it.pop("contributors")), ("another version", lambda it: it["resources"][0].update(
                schema=it["resources"][0]["schema"].replace("1.0.1", "0.6"))), ("a name of a species in no language", lambda it: it["taxonomic"].append(
                {"scientificName": "Panthera leo", "vernacularNames": {"english": "lion"}}))):
            spoiled = json.loads(json.dumps(package))
            spoil(spoiled)
            say(bool(list(Package.metadata_validate(spoiled))), f"{name}: refused with {what}")


def megadetector():
    from megadetector.postprocessing.validate_batch_results import validate_batch_results

    results = validate_batch_results(os.path.join(folder, "megadetector.json"))["validation_results"]
    say(not results["errors"] and not results["warnings"], "megadetector", results["errors"] + results["warnings"])


def training(name, schema_name):
    import jsonschema
    from datasets import load_dataset
    from PIL import Image

    where = os.path.join(folder, name)
    rows = load_dataset("json", data_files=os.path.join(where, "training.jsonl"), split="train")
    opened = load_dataset("imagefolder", data_dir=os.path.join(where, "images"), split="train")
    say(opened.num_rows == rows.num_rows, f"{name}: as many examples in its imagefolder", opened.num_rows)
    schema_path = os.path.join("..", "shared", "data", "sentinel", schema_name)
    for row, beside in zip(rows, opened):
        roles = [message["role"] for message in row["messages"]]
        parts = row["messages"][1]["content"]
        named = [part["image"] for part in parts if part["type"] == "image"]
        say(roles == ["system", "user", "assistant"], f"{name}: turns", roles)
        say(len(named) == len(beside["images"]) and parts[-1]["type"] == "text", f"{name}: {len(named)} pictures, then the question")
        for image in named:
            Image.open(os.path.join(where, image)).verify()
        answer = json.loads(row["messages"][2]["content"][0]["text"])
        if os.path.exists(schema_path):
            with open(schema_path) as file:
                schema = json.load(file)
            for key, pattern in (("capture_event_id", None), ("site_id", None)):
                schema["properties"].get(key, {}).pop("pattern", pattern)  # a station has ids of its own
            errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(answer)]
            say(not errors, f"{name}: the answer fits {schema_name}", errors[:3])


for name in ("camtrap-dp", "camtrap-dp-people", "camtrap-dp-empty"):
    camtrap_dp(name, profile)
megadetector()
training("training", "event_nested_live.schema.json")
training("training-trained", "event_nested.schema.json")
sys.exit(1 if failures else 0)
