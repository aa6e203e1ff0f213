"""Stormglass's whole path and DuckDB's normalising, over the same files, in one run.

usage: whole_path.py STORMGLASS CORPUS [--json]

Stormglass: read, log with fsync, normalise to OCSF, match its rules, look for duplicates, write
Delta/Parquet with the raw records. DuckDB: read, normalise with JSON paths to the same columns as far
as SQL reaches, keep the raw records, write Parquet with zstd. DuckDB does no log, rules, duplicates.
Times are of the wall clock and of the processor, memory is the process's peak.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time

DUCKDB_JOB = r"""
import sys, duckdb, os
corpus, out, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = duckdb.connect()
db.execute(f"SET threads={threads}")
db.execute("SET preserve_insertion_order=false")
db.execute("SET enable_progress_bar=false")
db.execute("SET memory_limit='8GB'")
def t(path): return f"r->>'$.{path}'"
columns = [
 'time','event_uid','class_uid','activity_id','severity_id','status','status_code','metadata_event_code','metadata_log_version',
 'metadata_original_time','cloud_provider','cloud_account_uid','cloud_region','cloud_org_uid','api_operation','api_service_name','api_request_uid',
 'api_request_data','api_response_data','api_response_error','api_response_error_message','actor_user_name','actor_user_uid','actor_user_uid_alt',
 'actor_user_type','actor_user_account_uid','actor_user_credential_uid','actor_session_issuer','actor_session_is_mfa','actor_session_created_time',
 'actor_invoked_by','user_name','user_uid','service_name','is_mfa','src_endpoint_ip','src_endpoint_uid','src_endpoint_location_country',
 'src_endpoint_location_city','http_request_user_agent','resources','resource_uid','correlation_uid','unmapped','raw_data']
def select(source, given):
    parts = [f"{given.get(c, 'NULL')} AS {c}" for c in columns]
    parts.append("(CAST(time AS DATE)) AS event_day")
    return f"SELECT {', '.join(parts)} FROM {source}"
aws = select(
 f"(SELECT unnest(Records) AS r FROM read_json('{corpus}/aws/**/*.json.gz', columns={{'Records':'JSON[]'}}, maximum_object_size=268435456))", {
 'time':"CAST(r->>'$.eventTime' AS TIMESTAMP)",'event_uid':t('eventID'),'class_uid':f"CASE WHEN {t('eventName')} IN ('ConsoleLogin','AssumeRole') THEN 3002 ELSE 6003 END",
 'activity_id':f"CASE WHEN {t('eventName')} SIMILAR TO '(Get|List|Describe).*' THEN 2 ELSE 1 END",'severity_id':'1',
 'status':f"CASE WHEN {t('errorCode')} IS NULL THEN 'Success' ELSE 'Failure' END",'status_code':t('errorCode'),'metadata_event_code':t('eventType'),
 'metadata_log_version':t('eventVersion'),'metadata_original_time':t('eventTime'),'cloud_provider':"'AWS'",'cloud_account_uid':t('recipientAccountId'),
 'cloud_region':t('awsRegion'),'api_operation':t('eventName'),'api_service_name':t('eventSource'),'api_request_uid':t('requestID'),
 'api_request_data':"CAST(r->'$.requestParameters' AS VARCHAR)",'api_response_data':"CAST(r->'$.responseElements' AS VARCHAR)",
 'api_response_error':t('errorCode'),'api_response_error_message':t('errorMessage'),'actor_user_name':f"coalesce({t('userIdentity.userName')},{t('userIdentity.sessionContext.sessionIssuer.userName')})",
 'actor_user_uid':t('userIdentity.arn'),'actor_user_uid_alt':t('userIdentity.principalId'),'actor_user_type':t('userIdentity.type'),
 'actor_user_account_uid':t('userIdentity.accountId'),'actor_user_credential_uid':t('userIdentity.accessKeyId'),
 'actor_session_issuer':t('userIdentity.sessionContext.sessionIssuer.arn'),'actor_session_is_mfa':t('userIdentity.sessionContext.attributes.mfaAuthenticated'),
 'actor_session_created_time':t('userIdentity.sessionContext.attributes.creationDate'),'actor_invoked_by':t('userIdentity.invokedBy'),
 'src_endpoint_ip':t('sourceIPAddress'),'src_endpoint_uid':t('vpcEndpointId'),'http_request_user_agent':t('userAgent'),
 'resources':"CAST(r->'$.resources' AS VARCHAR)",'resource_uid':t('resources[0].ARN'),
 'unmapped':"CAST(json_object('additionalEventData', r->'$.additionalEventData', 'tlsDetails', r->'$.tlsDetails', 'readOnly', r->'$.readOnly', 'managementEvent', r->'$.managementEvent') AS VARCHAR)",
 'raw_data':'CAST(r AS VARCHAR)'})
def lines(folder): return f"(SELECT json AS r FROM read_ndjson_objects('{corpus}/{folder}/*.ndjson'))"
claim = lambda name: f"r->'$.identity.claims'->>'{name}'"
activity = select(lines('azure/activity'), {
 'time':"CAST(r->>'$.time' AS TIMESTAMP)",'event_uid':t('correlationId'),'class_uid':'6003','activity_id':f"CASE WHEN {t('operationName')} LIKE '%/WRITE' THEN 3 WHEN {t('operationName')} LIKE '%/DELETE' THEN 4 ELSE 2 END",
 'severity_id':'1','status':t('resultType'),'status_code':t('resultSignature'),'metadata_event_code':t('category'),'metadata_original_time':t('time'),
 'cloud_provider':"'Azure'",'cloud_account_uid':f"regexp_extract({t('resourceId')}, '/SUBSCRIPTIONS/([^/]+)', 1)",'cloud_region':t('location'),'cloud_org_uid':t('tenantId'),
 'api_operation':t('operationName'),'api_service_name':f"split_part({t('operationName')}, '/', 1)",'api_request_uid':t('properties.serviceRequestId'),
 'actor_user_name':claim('http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn'),'actor_user_uid':claim('http://schemas.microsoft.com/identity/claims/objectidentifier'),
 'src_endpoint_ip':t('callerIpAddress'),'resource_uid':t('resourceId'),'correlation_uid':t('correlationId'),
 'unmapped':"CAST(json_object('identity', r->'$.identity', 'properties', r->'$.properties', 'durationMs', r->'$.durationMs') AS VARCHAR)",'raw_data':'CAST(r AS VARCHAR)'})
signin = select(lines('entra/signins'), {
 'time':"CAST(r->>'$.time' AS TIMESTAMP)",'event_uid':t('properties.id'),'class_uid':'3002','activity_id':'1','severity_id':'1',
 'status':f"CASE WHEN {t('resultType')} = '0' THEN 'Success' ELSE 'Failure' END",'status_code':t('resultType'),'metadata_event_code':t('category'),
 'metadata_original_time':t('time'),'cloud_provider':"'Azure'",'cloud_org_uid':t('tenantId'),'api_operation':t('operationName'),
 'user_name':t('properties.userPrincipalName'),'user_uid':t('properties.userId'),'service_name':t('properties.resourceDisplayName'),
 'is_mfa':f"{t('properties.authenticationRequirement')} = 'multiFactorAuthentication'",'src_endpoint_ip':t('callerIpAddress'),
 'src_endpoint_location_country':t('properties.location.countryOrRegion'),'src_endpoint_location_city':t('properties.location.city'),
 'http_request_user_agent':t('properties.userAgent'),'correlation_uid':t('correlationId'),
 'unmapped':"CAST(r->'$.properties' AS VARCHAR)",'raw_data':'CAST(r AS VARCHAR)'})
gcp = select(lines('gcp/audit'), {
 'time':"CAST(r->>'$.timestamp' AS TIMESTAMP)",'event_uid':t('insertId'),'class_uid':'6003','activity_id':'2','severity_id':'1',
 'status':f"CASE WHEN coalesce({t('protoPayload.status.code')}, '0') = '0' THEN 'Success' ELSE 'Failure' END",'status_code':t('protoPayload.status.code'),
 'metadata_original_time':t('timestamp'),'cloud_provider':"'GCP'",'cloud_account_uid':t('resource.labels.project_id'),'cloud_region':t('resource.labels.location'),
 'api_operation':t('protoPayload.methodName'),'api_service_name':t('protoPayload.serviceName'),'api_request_data':"CAST(r->'$.protoPayload.request' AS VARCHAR)",
 'api_response_data':"CAST(r->'$.protoPayload.response' AS VARCHAR)",'api_response_error_message':t('protoPayload.status.message'),
 'actor_user_name':t('protoPayload.authenticationInfo.principalEmail'),'actor_user_uid':t('protoPayload.authenticationInfo.principalSubject'),
 'actor_user_credential_uid':t('protoPayload.authenticationInfo.serviceAccountKeyName'),'src_endpoint_ip':t('protoPayload.requestMetadata.callerIp'),
 'http_request_user_agent':t('protoPayload.requestMetadata.callerSuppliedUserAgent'),'resource_uid':t('protoPayload.resourceName'),
 'resources':"CAST(r->'$.protoPayload.authorizationInfo' AS VARCHAR)",
 'unmapped':"CAST(json_object('resource', r->'$.resource', 'logName', r->'$.logName', 'receiveTimestamp', r->'$.receiveTimestamp') AS VARCHAR)",'raw_data':'CAST(r AS VARCHAR)'})
for name, query in [('aws', aws), ('activity', activity), ('signin', signin), ('gcp', gcp)]:
    os.makedirs(out, exist_ok=True)
    db.execute(f"COPY ({query}) TO '{out}/{name}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (event_day, cloud_provider))")
print(db.execute(f"SELECT count(*) FROM read_parquet('{out}/**/*.parquet')").fetchone()[0])
"""


def measured(command, **arguments):
    """Runs a command; its wall time, processor time, peak memory in bytes and output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **arguments)
    out, _ = child.communicate()
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        sys.exit(f"{command[0]} failed with {child.returncode}: {out}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "processor_s": processor, "out": out}


def peak_memory(command):
    """A command that runs another and says the peak resident memory of it last."""
    script = (
        "import resource,subprocess,sys;"
        "code=subprocess.call(sys.argv[1:]);"
        "print('peak',resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss*1024);sys.exit(code)"
    )
    return [sys.executable, "-c", script, *command]


def folder_bytes(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def peak_of(result):
    return int(result["out"].strip().splitlines()[-1].split()[1])


# Fires on whatever an assumed role does: on half of a cloud's log. It would be a measure of writing
# alerts, and no team leaves it on.
NOISE = {"aws_sts_assumerole_misuse.yml"}


def without_noise(sigma, folder):
    """A folder of links to the rules in `sigma`."""
    os.makedirs(folder)
    for path, _, names in os.walk(sigma):
        for name in names:
            if name.endswith(".yml") and name not in NOISE:
                os.symlink(os.path.abspath(os.path.join(path, name)), os.path.join(folder, name))
    return folder


def main():
    binary, corpus = sys.argv[1], sys.argv[2].rstrip("/")
    with open(corpus + ".json", encoding="utf-8") as file:
        size = json.load(file)
    events, raw_bytes = size["events"], size["bytes"]
    cores = os.cpu_count()
    # Both read from the page cache.
    subprocess.call(f"cat $(find {corpus} -type f) >/dev/null", shell=True)
    work = corpus + "-work"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    # SigmaHQ's cloud rules, where they are at hand, beside those that come with Stormglass.
    environment = dict(os.environ)
    # The size of the bench is no setting.
    environment.pop("STORMGLASS_BENCH_EVENTS", None)
    sigma = os.path.join(os.environ.get("STORMGLASS_CORPUS", "../shared/corpus"), "sigma/sigmahq/rules/cloud")
    if os.path.isdir(sigma):
        environment["STORMGLASS_RULES_PATHS"] = without_noise(sigma, os.path.join(work, "rules"))
    listed = subprocess.run([binary, "rules", "list", "--json"], stdout=subprocess.PIPE, env=environment, check=True)
    rules = len(json.loads(listed.stdout)["rules"])
    print(f"{events} events, {raw_bytes / 1e6:.0f} MB of records, {rules} rules, {cores} cores\n", flush=True)

    results = {}
    data = os.path.join(work, "data")
    ours = measured(peak_memory([binary, "--quiet", "--data", data, "ingest", corpus]), env=environment)
    ours["peak"] = peak_of(ours)
    ours["bytes"] = folder_bytes(os.path.join(data, "events"))
    results["stormglass"] = ours
    theirs = measured(peak_memory([sys.executable, "-c", DUCKDB_JOB, corpus, os.path.join(work, "duckdb"), str(cores)]))
    theirs["peak"] = peak_of(theirs)
    theirs["bytes"] = folder_bytes(os.path.join(work, "duckdb"))
    assert theirs["out"].split()[0] == str(events), theirs["out"]
    results["duckdb"] = theirs
    check = subprocess.run([binary, "--data", data, "sources", "--verify", "--json"], stdout=subprocess.PIPE, text=True, check=True)
    account = json.loads(check.stdout)["sources"][0]
    assert account["rows"] == events and account["unaccounted"] == 0, account

    head = f"{'':12}{'events/s':>12}{'MB/s':>8}{'events/s/core*':>16}{'µs of core/event':>18}{'peak MB':>9}{'bytes/event':>13}"
    print(head)
    for name, result in results.items():
        rate = events / result["wall_s"]
        print(
            f"{name:12}{rate:12.0f}{raw_bytes / 1e6 / result['wall_s']:8.0f}{events / result['processor_s']:16.0f}"
            f"{result['processor_s'] / events * 1e6:18.2f}{result['peak'] / 1e6:9.0f}{result['bytes'] / events:13.1f}"
        )
    print("* events divided by the seconds of processor time used")
    wall = results["duckdb"]["wall_s"] / results["stormglass"]["wall_s"]
    processor = results["duckdb"]["processor_s"] / results["stormglass"]["processor_s"]
    disk = results["stormglass"]["bytes"] / results["duckdb"]["bytes"]
    print(f"\nStormglass is {wall:.2f} times as fast by the clock, {processor:.2f} times by processor time; its files are {disk:.2f} times as large")
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
