"""How each control of the cloud side is broken: one careless call. `ALSO` are those that fall with it, with why."""

from __future__ import annotations

from collections.abc import Callable

from tests.cloud_checks import account as world
from tests.cloud_checks.account import ACCESS, BACKUP, BLOCK, LOGS, NAME, Account, policy
from tests.cloud_checks.gaps import STATE

EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
GROUPS = f"/hedgerow/{NAME}"
PLAIN_DISK = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}]


def _unblock(switch: str) -> Callable[[Account], object]:
    return lambda a: a.aws("s3").put_public_access_block(
        Bucket=BACKUP, PublicAccessBlockConfiguration={**BLOCK, switch: False}
    )


def _silence(name: str) -> Callable[[Account], object]:
    return lambda a: world.watch(a, name, ActionsEnabled=False)


def _trail(**changed: object) -> Callable[[Account], object]:
    return lambda a: a.aws("cloudtrail").update_trail(Name="hedgerow-acme", **{**world.trail_settings(a), **changed})


def _flow_logs_to_nowhere(a: Account) -> None:
    a.aws("ec2").delete_flow_logs(FlowLogIds=[a["flow-log"]])
    a.aws("ec2").create_flow_logs(
        ResourceIds=[a["vpc"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="/gone",
        DeliverLogsPermissionArn=a["role-flow"],
    )


def _peer(a: Account) -> None:
    other = a.aws("ec2").create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    a.aws("ec2").create_vpc_peering_connection(VpcId=a["vpc"], PeerVpcId=other)


def _public(a: Account) -> None:
    address = a.aws("ec2").allocate_address(Domain="vpc")
    a.aws("ec2").associate_address(AllocationId=address["AllocationId"], InstanceId=a["machine"])


def _foreign_image(a: Account) -> None:
    rows = a.aws("ec2").describe_images()["Images"]
    world.run(a, ImageId=next(row["ImageId"] for row in rows if row["OwnerId"] != world.DEBIAN))


def _key_pair(a: Account) -> None:
    a.aws("ec2").create_key_pair(KeyName="everybodys")
    world.run(a, KeyName="everybodys")


def _no_role(a: Account) -> None:
    rows = a.aws("ec2").describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    a.aws("ec2").disassociate_iam_instance_profile(AssociationId=rows[0]["AssociationId"])


def _administrator(a: Account) -> None:
    """AWS's own policy by its name; what is in it does not matter, and moto takes long to load the real ones."""
    narrow = policy({"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"})
    made = a.aws("iam").create_policy(PolicyName="AdministratorAccess", PolicyDocument=narrow)
    a.aws("iam").attach_role_policy(RoleName="host", PolicyArn=made["Policy"]["Arn"])


def _plain_snapshot(a: Account) -> None:
    """A volume that is not encrypted leaves one behind when it goes."""
    volume = a.aws("ec2").create_volume(AvailabilityZone=f"{world.REGION}a", Size=1, Encrypted=False)["VolumeId"]
    a.aws("ec2").create_snapshot(VolumeId=volume, TagSpecifications=world.spec("snapshot"))
    a.aws("ec2").delete_volume(VolumeId=volume)


def _other_vault(name: str) -> Callable[[Account], object]:
    def break_it(a: Account) -> None:
        backup = a.aws("backup")
        key = {} if name == "plain" else {"EncryptionKeyArn": a["records-key"]}
        backup.create_backup_vault(BackupVaultName=name, **key)
        if name == "plain":
            backup.put_backup_vault_lock_configuration(BackupVaultName=name, MinRetentionDays=35)
        rule = {"RuleName": "r", "TargetBackupVaultName": name, "ScheduleExpression": "cron(0 3 * * ? *)"}
        world.plan(a, name, rule)

    return break_it


def _root(fact: str, value: int) -> Callable[[Account], object]:
    return lambda _a: STATE["root"].update({fact: value})


def _clear_listener(a: Account) -> None:
    a.aws("elbv2").create_listener(
        LoadBalancerArn=a["balancer"],
        Protocol="HTTP",
        Port=8080,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": a["targets"]}],
    )


def _attribute(key: str, value: str) -> Callable[[Account], object]:
    return lambda a: a.aws("elbv2").modify_load_balancer_attributes(
        LoadBalancerArn=a["balancer"], Attributes=[{"Key": key, "Value": value}]
    )


def _counting(a: Account) -> None:
    """As somebody does for an afternoon, to see whom a rule hits."""
    waf = a.aws("wafv2")
    (row,) = waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    rules = world.rules()
    rules[0]["OverrideAction"] = {"Count": {}}
    known = {key: row[key] for key in ("Name", "Id", "LockToken")}
    waf.update_web_acl(**known, Scope="REGIONAL", **world.acl_settings(rules))


BREAK: dict[str, Callable[[Account], object]] = {
    "aws.flow-logs-on": lambda a: a.aws("ec2").delete_flow_logs(FlowLogIds=[a["flow-log"]]),
    "aws.flow-logs-delivered": _flow_logs_to_nowhere,
    "aws.default-group-empty": lambda a: world.let_in(a, 443, "10.20.0.0/24", "default-group"),
    "aws.closed-to-the-world": lambda a: world.let_in(a, 5432, "0.0.0.0/0"),
    "aws.ingress-as-declared": lambda a: world.let_in(a, 22, "198.51.100.0/24"),
    "aws.default-acl-closed": lambda a: world.acl_entry(a, "default-acl", 100, 443),
    "aws.acl-no-ssh-from-anywhere": lambda a: world.acl_entry(a, "acl", 50, 22),
    "aws.subnets-give-no-addresses": lambda a: a.aws("ec2").modify_subnet_attribute(
        SubnetId=a["subnet"], MapPublicIpOnLaunch={"Value": True}
    ),
    "aws.machines-not-public": _public,
    "aws.machines-not-routed": lambda a: a.aws("ec2").create_route(
        RouteTableId=a["table"], DestinationCidrBlock="0.0.0.0/0", GatewayId=a["igw"]
    ),
    "aws.no-peering": _peer,
    "aws.endpoints-narrow": lambda a: a.aws("ec2").modify_vpc_endpoint(
        # A condition that everybody meets.
        VpcEndpointId=a["endpoint"],
        PolicyDocument=policy({**EVERYBODY, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
    ),
    "aws.metadata-token-only": lambda a: a.aws("ec2").modify_instance_metadata_options(
        InstanceId=a["machine"], HttpTokens="optional"
    ),
    "aws.metadata-one-hop": lambda a: a.aws("ec2").modify_instance_metadata_options(
        InstanceId=a["machine"], HttpTokens="required", HttpPutResponseHopLimit=2
    ),
    "aws.volumes-encrypted": lambda a: world.run(a, BlockDeviceMappings=PLAIN_DISK),
    "aws.volumes-own-key": lambda a: a.aws("ec2").create_volume(
        AvailabilityZone=f"{world.REGION}a", Size=1, Encrypted=True, TagSpecifications=world.spec("volume")
    ),
    "aws.new-volumes-encrypted": lambda a: a.aws("ec2").disable_ebs_encryption_by_default(),
    "aws.termination-protected": lambda a: a.aws("ec2").modify_instance_attribute(
        InstanceId=a["machine"], DisableApiTermination={"Value": False}
    ),
    "aws.no-key-pair": _key_pair,
    "aws.image-of-its-publisher": _foreign_image,
    "aws.machines-play-a-role": _no_role,
    "aws.role-without-wildcards": lambda a: a.aws("iam").put_role_policy(
        RoleName="host",
        PolicyName="quick",
        PolicyDocument=policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}),
    ),
    "aws.role-no-administrator": _administrator,
    "aws.snapshots-not-shared": lambda a: a.aws("ec2").modify_snapshot_attribute(
        SnapshotId=a["snapshot"], Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
    ),
    "aws.snapshots-encrypted": _plain_snapshot,
    "aws.snapshots-never-public": lambda a: a.aws("ec2").disable_snapshot_block_public_access(),
    "aws.keys-rotate": lambda a: a.aws("kms").disable_key_rotation(KeyId=a["data-key-id"]),
    "aws.keys-named-principals": lambda a: a.aws("kms").put_key_policy(
        KeyId=a["data-key-id"], PolicyName="default", Policy=policy({**EVERYBODY, "Action": "kms:*"})
    ),
    "aws.keys-stay": lambda a: a.aws("kms").schedule_key_deletion(KeyId=a["data-key-id"], PendingWindowInDays=7),
    "aws.buckets-block-acls": _unblock("BlockPublicAcls"),
    "aws.buckets-ignore-acls": _unblock("IgnorePublicAcls"),
    "aws.buckets-block-policies": _unblock("BlockPublicPolicy"),
    "aws.buckets-restrict-public": _unblock("RestrictPublicBuckets"),
    "aws.account-blocks-public-buckets": lambda a: a.aws("s3control").delete_public_access_block(
        AccountId=world.ACCOUNT
    ),
    "aws.buckets-without-acls": lambda a: a.aws("s3").delete_bucket_ownership_controls(Bucket=BACKUP),
    "aws.buckets-versioned": lambda a: a.aws("s3").put_bucket_versioning(
        Bucket=ACCESS, VersioningConfiguration={"Status": "Suspended"}
    ),
    "aws.buckets-own-key": lambda a: world.encrypt(a, BACKUP, {"SSEAlgorithm": "AES256"}),
    "aws.buckets-tls-only": lambda a: a.aws("s3").delete_bucket_policy(Bucket=BACKUP),
    "aws.buckets-locked": lambda a: a.aws("s3").put_object_lock_configuration(
        Bucket=BACKUP, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    ),
    "aws.buckets-locked-for-long": lambda a: world.lock(a, LOGS, 35),
    "aws.buckets-access-logged": lambda a: a.aws("s3").put_bucket_logging(Bucket=BACKUP, BucketLoggingStatus={}),
    "aws.buckets-lifecycle": lambda a: a.aws("s3").delete_bucket_lifecycle(Bucket=BACKUP),
    "aws.trail-everywhere": _trail(IsMultiRegionTrail=False),
    "aws.trail-global-services": _trail(IncludeGlobalServiceEvents=False),
    "aws.trail-validated": _trail(EnableLogFileValidation=False),
    "aws.trail-encrypted": _trail(KmsKeyId=""),
    "aws.trail-logging": lambda a: a.aws("cloudtrail").stop_logging(Name="hedgerow-acme"),
    "aws.trail-to-logs": lambda a: a.aws("logs").delete_log_group(logGroupName=f"{GROUPS}/trail"),
    "aws.trail-data-events": lambda a: world.select(a, "WriteOnly"),
    "aws.log-groups-encrypted": lambda a: a.aws("logs").create_log_group(logGroupName=f"{GROUPS}/more"),
    "aws.log-groups-kept": lambda a: a.aws("logs").put_retention_policy(
        logGroupName=f"{GROUPS}/flow", retentionInDays=30
    ),
    "aws.alarm-root": _silence("root"),
    "aws.alarm-refusals": _silence("refusals"),
    "aws.alarm-sign-in": _silence("sign-in"),
    "aws.alarm-network": _silence("network"),
    "aws.alarm-keys": _silence("keys"),
    "aws.alarm-trail": _silence("trail"),
    "aws.topic-encrypted": lambda a: a.aws("sns").set_topic_attributes(
        TopicArn=a["topic"], AttributeName="KmsMasterKeyId", AttributeValue=""
    ),
    "aws.topic-closed": lambda a: a.aws("sns").set_topic_attributes(
        TopicArn=a["topic"], AttributeName="Policy", AttributeValue=policy({**EVERYBODY, "Action": "sns:Publish"})
    ),
    "aws.topic-heard": lambda a: a.aws("sns").unsubscribe(SubscriptionArn=a["subscription"]),
    "aws.guardduty-on": lambda a: a.aws("guardduty").update_detector(DetectorId=a["detector"], Enable=False),
    "aws.config-recording": lambda a: a.aws("config").stop_configuration_recorder(
        ConfigurationRecorderName="hedgerow-acme"
    ),
    "aws.config-everything": lambda a: world.record(
        a, {"allSupported": False, "resourceTypes": ["AWS::EC2::Instance"]}
    ),
    "aws.config-delivered": lambda a: (
        a.aws("config").stop_configuration_recorder(ConfigurationRecorderName="hedgerow-acme"),
        a.aws("config").delete_delivery_channel(DeliveryChannelName="hedgerow-acme"),
    ),
    "aws.vault-own-key": _other_vault("plain"),
    "aws.vault-locked": _other_vault("unlocked"),
    "aws.backup-planned": lambda a: world.plan(
        a, "by-hand", {"RuleName": "never", "TargetBackupVaultName": "acme", "ScheduleExpression": ""}
    ),
    "aws.backup-covers-volumes": lambda a: a.aws("backup").delete_backup_selection(
        BackupPlanId=a["plan"], SelectionId="selection-0"
    ),
    "aws.root-second-factor": _root("mfa", 0),
    "aws.root-no-keys": _root("keys", 1),
    "aws.root-no-certificates": _root("certificates", 1),
    "aws.passwords-long": lambda a: world.passwords(a, MinimumPasswordLength=8),
    "aws.passwords-not-again": lambda a: world.passwords(a, PasswordReusePrevention=1),
    "aws.balancer-tls": lambda a: world.listen(a, "ELBSecurityPolicy-2016-08", 8443),
    "aws.balancer-not-in-clear": _clear_listener,
    "aws.balancer-protected": lambda a: world.protect(a, a["balancer"], "false"),
    "aws.balancer-shows-clients": lambda a: a.aws("elbv2").modify_target_group_attributes(
        TargetGroupArn=a["targets-tcp"], Attributes=[{"Key": "preserve_client_ip.enabled", "Value": "false"}]
    ),
    "aws.balancer-strict": _attribute("routing.http.desync_mitigation_mode", "monitor"),
    "aws.balancer-logged": _attribute("access_logs.s3.enabled", "false"),
    "aws.firewall-before-the-balancer": lambda a: a.aws("wafv2").disassociate_web_acl(ResourceArn=a["balancer"]),
    "aws.firewall-refuses": _counting,
    "aws.firewall-log-redacted": lambda a: world.write_down(a, "QueryString", "SingleHeader cookie"),
}

ALSO: dict[str, set[str]] = {
    # Without a flow log there is nothing that could be delivered.
    "aws.flow-logs-on": {"aws.flow-logs-delivered"},
    # What is open to the world without being declared is also somebody who is not.
    "aws.closed-to-the-world": {"aws.ingress-as-declared"},
    # A volume without encryption is under no key.
    "aws.volumes-encrypted": {"aws.volumes-own-key"},
    # Its mode is the retention's: without one neither is there.
    "aws.buckets-locked": {"aws.buckets-locked-for-long"},
    # Without a profile there is no role to judge.
    "aws.machines-play-a-role": {"aws.role-without-wildcards", "aws.role-no-administrator"},
    # Without rules there are none that refuse, nor a log of theirs.
    "aws.firewall-before-the-balancer": {"aws.firewall-refuses", "aws.firewall-log-redacted"},
    # A channel goes only once its recorder has stopped.
    "aws.config-delivered": {"aws.config-recording"},
}
