"""A hardened account, built by hand with boto3: the checks are seen to pass on it, whatever provisions the real one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import boto3

REGION = "eu-central-1"
NAME = "acme"
DEBIAN = "136693071363"
ACCOUNT = "123456789012"
TAGS = [{"Key": "hedgerow:deployment", "Value": NAME}]
ALARMS = {
    "root": '{ $.userIdentity.type = "Root" }',
    "refusals": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
    "sign-in": '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
    "network": "{ ($.eventName = AuthorizeSecurityGroup*) || ($.eventName = CreateNetworkAcl*)"
    " || ($.eventName = CreateRoute) || ($.eventName = AttachInternetGateway) }",
    "keys": "{ ($.eventName = DisableKey) || ($.eventName = ScheduleKeyDeletion) }",
    "trail": "{ ($.eventName = StopLogging) || ($.eventName = DeleteTrail) || ($.eventName = UpdateTrail) }",
}
BLOCK = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
BUCKETS = ("hedgerow-acme-access", "hedgerow-acme-backup", "hedgerow-acme-logs")
ACCESS, BACKUP, LOGS = BUCKETS


@dataclass
class Account:
    """The account and the ids in it, by short names; `aws("ec2")` is a client that may do everything."""

    ids: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)

    def aws(self, service: str) -> Any:
        """Return the client of one service."""
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=REGION)
        return self.clients[service]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


def spec(*kinds: str) -> list[dict[str, Any]]:
    """Return EC2's way to tag what is being made."""
    return [{"ResourceType": kind, "Tags": TAGS} for kind in kinds]


def build() -> Account:
    """Build the whole account."""
    account = Account()
    for part in (_keys, _buckets, _network, _roles, _machine, _trail, _alarms, _detection, _backup, _front, _guards):
        part(account)
    return account


def policy(*statements: dict[str, Any]) -> str:
    """Return a policy as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tls_only(bucket: str) -> str:
    """Return the policy of a bucket that refuses clear text, and takes access logs where these go."""
    arn = f"arn:aws:s3:::{bucket}"
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    take = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{arn}/*",
    }
    return policy(deny, take) if bucket == ACCESS else policy(deny)


def _keys(account: Account) -> None:
    kms = account.aws("kms")
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in TAGS]
    for name in ("data", "records"):
        made = kms.create_key(Policy=policy(owner), Tags=tags)["KeyMetadata"]
        account.ids |= {f"{name}-key": made["Arn"], f"{name}-key-id": made["KeyId"]}
        kms.create_alias(AliasName=f"alias/hedgerow/{NAME}/{name}", TargetKeyId=made["KeyId"])
        kms.enable_key_rotation(KeyId=made["KeyId"])


def _buckets(account: Account) -> None:
    s3 = account.aws("s3")
    for name in BUCKETS:
        s3.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectOwnership="BucketOwnerEnforced",
            ObjectLockEnabledForBucket=name != ACCESS,
        )
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=BLOCK)
        s3.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": TAGS})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        how = (
            {"SSEAlgorithm": "AES256"}
            if name == ACCESS
            else {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": account["records-key"]}
        )
        encrypt(account, name, how)
        rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 2192}}
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
        s3.put_bucket_policy(Bucket=name, Policy=tls_only(name))
        if name != ACCESS:
            lock(account, name, 2192 if name == LOGS else 35)
            s3.put_bucket_logging(
                Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": ACCESS, "TargetPrefix": "s3/"}}
            )


def encrypt(account: Account, bucket: str, how: dict[str, str]) -> None:
    """Say how a bucket is encrypted."""
    account.aws("s3").put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": how}]},
    )


def lock(account: Account, bucket: str, days: int) -> None:
    """Say for how long a bucket keeps what is put into it."""
    kept = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
    account.aws("s3").put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": kept}
    )


def _network(account: Account) -> None:
    ec2, ids = account.aws("ec2"), account.ids
    ids["vpc"] = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=spec("vpc"))["Vpc"]["VpcId"]
    for name, cidr in (("subnet", "10.20.0.0/20"), ("subnet-b", "10.20.16.0/20")):
        zone = f"{REGION}{'a' if name == 'subnet' else 'b'}"
        ids[name] = ec2.create_subnet(
            VpcId=ids["vpc"], CidrBlock=cidr, AvailabilityZone=zone, TagSpecifications=spec("subnet")
        )["Subnet"]["SubnetId"]
    ids["igw"] = ec2.create_internet_gateway(TagSpecifications=spec("internet-gateway"))["InternetGateway"][
        "InternetGatewayId"
    ]
    ec2.attach_internet_gateway(InternetGatewayId=ids["igw"], VpcId=ids["vpc"])
    ids["table"] = ec2.create_route_table(VpcId=ids["vpc"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=ids["table"], SubnetId=ids["subnet"])
    here = [{"Name": "vpc-id", "Values": [ids["vpc"]]}]
    acls = ec2.describe_network_acls(Filters=here)["NetworkAcls"]
    ids["default-acl"] = acls[0]["NetworkAclId"]
    for egress in (True, False):
        ec2.delete_network_acl_entry(NetworkAclId=ids["default-acl"], RuleNumber=100, Egress=egress)
    ids["acl"] = ec2.create_network_acl(VpcId=ids["vpc"])["NetworkAcl"]["NetworkAclId"]
    for number, port in ((100, 443), (110, 80)):
        acl_entry(account, "acl", number, port)
    for row in acls[0]["Associations"]:
        ec2.replace_network_acl_association(AssociationId=row["NetworkAclAssociationId"], NetworkAclId=ids["acl"])
    default = ec2.describe_security_groups(Filters=[*here, {"Name": "group-name", "Values": ["default"]}])
    ids["default-group"] = default["SecurityGroups"][0]["GroupId"]
    everything = default["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=ids["default-group"], IpPermissions=everything)
    if inward := default["SecurityGroups"][0]["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=ids["default-group"], IpPermissions=inward)
    ids["group"] = ec2.create_security_group(GroupName="host", Description="host", VpcId=ids["vpc"])["GroupId"]
    let_in(account, 443, "0.0.0.0/0")
    let_in(account, 80, "0.0.0.0/0")
    _endpoint(account)


def _endpoint(account: Account) -> None:
    only = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    account.ids["endpoint"] = account.aws("ec2").create_vpc_endpoint(
        VpcId=account["vpc"],
        ServiceName=f"com.amazonaws.{REGION}.s3",
        RouteTableIds=[account["table"]],
        PolicyDocument=policy(
            {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": only}
        ),
    )["VpcEndpoint"]["VpcEndpointId"]


def acl_entry(account: Account, acl: str, number: int, port: int) -> None:
    """Let a port in through a network ACL."""
    account.aws("ec2").create_network_acl_entry(
        NetworkAclId=account[acl],
        RuleNumber=number,
        Protocol="6",
        RuleAction="allow",
        Egress=False,
        CidrBlock="0.0.0.0/0",
        PortRange={"From": port, "To": port},
    )


def let_in(account: Account, port: int, cidr: str, group: str = "group") -> None:
    """Let a port in through a security group."""
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
    account.aws("ec2").authorize_security_group_ingress(GroupId=account[group], IpPermissions=[rule])


def _roles(account: Account) -> None:
    iam = account.aws("iam")
    for name, service in (("host", "ec2"), ("flow", "vpc-flow-logs"), ("trail", "cloudtrail"), ("backup", "backup")):
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
        account.ids[f"role-{name}"] = made["Role"]["Arn"]
    narrow = {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": f"arn:aws:s3:::{BACKUP}/*"}
    iam.put_role_policy(RoleName="host", PolicyName="hedgerow", PolicyDocument=policy(narrow))
    iam.create_instance_profile(InstanceProfileName="host")
    iam.add_role_to_instance_profile(InstanceProfileName="host", RoleName="host")


def run(account: Account, **more: Any) -> str:
    """Start a machine and return its id; `more` replaces what is asked of it."""
    disk = {"VolumeSize": 20, "VolumeType": "gp3", "Encrypted": True, "KmsKeyId": account["data-key"]}
    asked: dict[str, Any] = {
        "ImageId": account["image"],
        "InstanceType": "m5.large",
        "MinCount": 1,
        "MaxCount": 1,
        "IamInstanceProfile": {"Name": "host"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": account["subnet"],
                "Groups": [account["group"]],
                "AssociatePublicIpAddress": False,
            }
        ],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": disk}],
        "TagSpecifications": spec("instance", "volume"),
    }
    ec2 = account.aws("ec2")
    made = ec2.run_instances(**{**asked, **more})["Instances"][0]["InstanceId"]
    # moto does not heed it at launch.
    ec2.modify_instance_attribute(InstanceId=made, DisableApiTermination={"Value": True})
    return str(made)


def _machine(account: Account) -> None:
    ec2 = account.aws("ec2")
    images = ec2.describe_images(Owners=[DEBIAN])["Images"]
    account.ids["image"] = images[0]["ImageId"]
    account.ids["machine"] = run(account)
    filters = [{"Name": "attachment.instance-id", "Values": [account["machine"]]}]
    account.ids["volume"] = ec2.describe_volumes(Filters=filters)["Volumes"][0]["VolumeId"]
    account.ids["snapshot"] = ec2.create_snapshot(VolumeId=account["volume"])["SnapshotId"]


def _trail(account: Account) -> None:
    logs, trail = account.aws("logs"), account.aws("cloudtrail")
    for name in ("flow", "trail"):
        logs.create_log_group(logGroupName=f"/hedgerow/{NAME}/{name}", kmsKeyId=account["records-key"])
        logs.put_retention_policy(logGroupName=f"/hedgerow/{NAME}/{name}", retentionInDays=2192)
    account.ids["flow-log"] = account.aws("ec2").create_flow_logs(
        ResourceIds=[account["vpc"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogGroupName=f"/hedgerow/{NAME}/flow",
        DeliverLogsPermissionArn=account["role-flow"],
    )["FlowLogIds"][0]
    trail.create_trail(Name="hedgerow-acme", TagsList=TAGS, **trail_settings(account))
    trail.start_logging(Name="hedgerow-acme")
    select(account, "All")


def trail_settings(account: Account) -> dict[str, Any]:
    """Return what the trail is."""
    return {
        "S3BucketName": LOGS,
        "IsMultiRegionTrail": True,
        "IncludeGlobalServiceEvents": True,
        "EnableLogFileValidation": True,
        "KmsKeyId": account["records-key"],
        "CloudWatchLogsLogGroupArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/hedgerow/{NAME}/trail:*",
        "CloudWatchLogsRoleArn": account["role-trail"],
    }


def select(account: Account, what: str) -> None:
    """Have the trail write down who touches the buckets' objects."""
    data = {"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{name}/" for name in BUCKETS]}
    selector = {"ReadWriteType": what, "IncludeManagementEvents": True, "DataResources": [data]}
    account.aws("cloudtrail").put_event_selectors(TrailName="hedgerow-acme", EventSelectors=[selector])


def _alarms(account: Account) -> None:
    sns = account.aws("sns")
    account.ids["topic"] = sns.create_topic(
        Name="hedgerow-acme-alarms", Attributes={"KmsMasterKeyId": account["records-key"]}
    )["TopicArn"]
    only = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": account["topic"],
    }
    sns.set_topic_attributes(TopicArn=account["topic"], AttributeName="Policy", AttributeValue=policy(only))
    account.ids["subscription"] = sns.subscribe(
        TopicArn=account["topic"], Protocol="email", Endpoint="security@acme.example"
    )["SubscriptionArn"]
    for name in ALARMS:
        watch(account, name)


def watch(account: Account, name: str, **more: Any) -> None:
    """Raise an alarm for one of ALARMS; `more` replaces what is said of it."""
    change = {"metricName": name, "metricNamespace": "Hedgerow/acme", "metricValue": "1"}
    account.aws("logs").put_metric_filter(
        logGroupName=f"/hedgerow/{NAME}/trail",
        filterName=name,
        filterPattern=ALARMS[name],
        metricTransformations=[change],
    )
    asked: dict[str, Any] = {
        "AlarmName": f"hedgerow-acme-{name}",
        "MetricName": name,
        "Namespace": "Hedgerow/acme",
        "Statistic": "Sum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "ActionsEnabled": True,
        "AlarmActions": [account["topic"]],
    }
    account.aws("cloudwatch").put_metric_alarm(**{**asked, **more})


def _detection(account: Account) -> None:
    account.ids["detector"] = account.aws("guardduty").create_detector(Enable=True)["DetectorId"]
    record(account, {"allSupported": True, "includeGlobalResourceTypes": True})
    config = account.aws("config")
    config.put_delivery_channel(DeliveryChannel={"name": "hedgerow-acme", "s3BucketName": ACCESS})
    config.start_configuration_recorder(ConfigurationRecorderName="hedgerow-acme")


def record(account: Account, group: dict[str, Any]) -> None:
    """Say what Config records."""
    account.aws("config").put_configuration_recorder(
        ConfigurationRecorder={"name": "hedgerow-acme", "roleARN": account["role-trail"], "recordingGroup": group}
    )


def _backup(account: Account) -> None:
    backup = account.aws("backup")
    backup.create_backup_vault(BackupVaultName="acme", EncryptionKeyArn=account["records-key"])
    backup.put_backup_vault_lock_configuration(BackupVaultName="acme", MinRetentionDays=35)
    rule = {"RuleName": "daily", "TargetBackupVaultName": "acme", "ScheduleExpression": "cron(0 3 * * ? *)"}
    account.ids["plan"] = plan(account, "acme", rule)


def plan(account: Account, name: str, *rules: dict[str, Any]) -> str:
    """Make a backup plan that covers what bears the deployment's tag."""
    backup = account.aws("backup")
    made = backup.create_backup_plan(
        BackupPlan={"BackupPlanName": name, "Rules": list(rules)},
        BackupPlanTags={tag["Key"]: tag["Value"] for tag in TAGS},
    )["BackupPlanId"]
    chosen = [{"ConditionType": "STRINGEQUALS", "ConditionKey": TAGS[0]["Key"], "ConditionValue": NAME}]
    backup.create_backup_selection(
        BackupPlanId=made,
        BackupSelection={"SelectionName": "tagged", "IamRoleArn": account["role-backup"], "ListOfTags": chosen},
    )
    return str(made)


def _front(account: Account) -> None:
    elb = account.aws("elbv2")
    made = elb.create_load_balancer(
        Name="acme", Subnets=[account["subnet"], account["subnet-b"]], SecurityGroups=[account["group"]]
    )
    account.ids["balancer"] = made["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="acme", Protocol="HTTPS", Port=443, VpcId=account["vpc"])["TargetGroups"][0]
    account.ids["targets"] = group["TargetGroupArn"]
    listen(account, "ELBSecurityPolicy-TLS13-1-2-2021-06")
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
    elb.create_listener(LoadBalancerArn=account["balancer"], Protocol="HTTP", Port=80, DefaultActions=[redirect])
    _front_that_passes_on(account)


def _front_that_passes_on(account: Account) -> None:
    elb = account.aws("elbv2")
    made = elb.create_load_balancer(Name="acme-tcp", Type="network", Subnets=[account["subnet"]])
    passing = made["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="acme-tcp", Protocol="TCP", Port=443, VpcId=account["vpc"])["TargetGroups"][0]
    account.ids["targets-tcp"] = group["TargetGroupArn"]
    shown = [{"Key": "preserve_client_ip.enabled", "Value": "true"}]
    elb.modify_target_group_attributes(TargetGroupArn=account["targets-tcp"], Attributes=shown)
    forward = [{"Type": "forward", "TargetGroupArn": account["targets-tcp"]}]
    elb.create_listener(LoadBalancerArn=passing, Protocol="TCP", Port=443, DefaultActions=forward)
    for arn in (account["balancer"], passing):
        protect(account, arn, "true")
    _judged(account)


def _judged(account: Account) -> None:
    """Have AWS WAF judge what the balancer reads, which writes it down and takes no doubtful request."""
    strict = {
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.xff_header_processing.mode": "append",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": ACCESS,
    }
    account.aws("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=account["balancer"], Attributes=[{"Key": key, "Value": value} for key, value in strict.items()]
    )
    waf, logs = account.aws("wafv2"), account.aws("logs")
    made = waf.create_web_acl(Name="hedgerow-acme", Scope="REGIONAL", Tags=TAGS, **acl_settings(rules()))
    account.ids["acl"] = made["Summary"]["ARN"]
    waf.associate_web_acl(WebACLArn=account["acl"], ResourceArn=account["balancer"])
    name = f"aws-waf-logs-hedgerow-{NAME}"
    logs.create_log_group(logGroupName=name, kmsKeyId=account["records-key"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=2192)
    write_down(account, "QueryString", "SingleHeader authorization", "SingleHeader cookie")


def rules() -> list[dict[str, Any]]:
    """Return rules that refuse: a group of AWS's, and a limit."""
    group = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}
    limit = {"Limit": 2000, "AggregateKeyType": "IP"}
    return [
        _rule(0, "common", {"ManagedRuleGroupStatement": group}, OverrideAction={"None": {}}),
        _rule(1, "rate", {"RateBasedStatement": limit}, Action={"Block": {}}),
    ]


def _rule(place: int, name: str, statement: dict[str, Any], **action: Any) -> dict[str, Any]:
    return {"Name": name, "Priority": place, "Statement": statement, "VisibilityConfig": _shown(name), **action}


def _shown(name: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": name}


def acl_settings(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a web ACL of these rules is."""
    return {"DefaultAction": {"Allow": {}}, "Rules": rules, "VisibilityConfig": _shown("hedgerow")}


def write_down(account: Account, *hidden: str) -> None:
    """Have AWS WAF write down what it refuses, without what is hidden."""
    fields = [{kind: {"Name": name} if name else {}} for kind, _, name in (one.partition(" ") for one in hidden)]
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:aws-waf-logs-hedgerow-{NAME}"
    asked = {"ResourceArn": account["acl"], "LogDestinationConfigs": [group], "RedactedFields": fields}
    account.aws("wafv2").put_logging_configuration(LoggingConfiguration=asked)


def protect(account: Account, balancer: str, value: str) -> None:
    """Say whether a load balancer can be deleted."""
    attributes = [{"Key": "deletion_protection.enabled", "Value": value}]
    account.aws("elbv2").modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=attributes)


def listen(account: Account, tls: str, port: int = 443) -> None:
    """Add a listener with a TLS policy."""
    if "certificate" not in account.ids:
        account.ids["certificate"] = account.aws("acm").request_certificate(DomainName="analytics.acme.example")[
            "CertificateArn"
        ]
    account.aws("elbv2").create_listener(
        LoadBalancerArn=account["balancer"],
        Protocol="HTTPS",
        Port=port,
        SslPolicy=tls,
        Certificates=[{"CertificateArn": account["certificate"]}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": account["targets"]}],
    )


def _guards(account: Account) -> None:
    account.aws("s3control").put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=BLOCK)
    account.aws("ec2").enable_ebs_encryption_by_default()
    account.aws("ec2").enable_snapshot_block_public_access(State="block-all-sharing")
    account.aws("iam").create_user(UserName="jane")
    passwords(account)


def passwords(account: Account, **more: Any) -> None:
    """Say what a password must be."""
    asked = {"MinimumPasswordLength": 14, "PasswordReusePrevention": 24, **more}
    account.aws("iam").update_account_password_policy(**asked)
