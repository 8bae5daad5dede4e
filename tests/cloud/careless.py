"""What happens to an account beside the installer: a careless administrator, an older key, a zone that is there."""

from __future__ import annotations

import json
from typing import Any

import boto3


def zone() -> str:
    """Make a zone of Route 53, and return its id."""
    made = boto3.client("route53").create_hosted_zone(Name="acme.example", CallerReference="a")
    return str(made["HostedZone"]["Id"].rpartition("/")[2])


def break_things() -> None:
    """Do what a careless administrator does."""
    ec2, iam, kms = (boto3.client(name, region_name="us-east-1") for name in ("ec2", "iam", "kms"))
    (machine,) = [one for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
    ec2.modify_instance_metadata_options(InstanceId=machine["InstanceId"], HttpTokens="optional")
    ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
    ec2.modify_subnet_attribute(SubnetId=machine["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    mine = [{"Name": "tag:hedgerow:name", "Values": ["host"]}]
    group = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]["GroupId"]
    opened = [{"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=opened)
    tables = ec2.describe_route_tables(Filters=[{"Name": "tag:hedgerow:name", "Values": ["private"]}])["RouteTables"]
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.create_route(RouteTableId=tables[0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    (endpoint,) = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    open_to_all = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=json.dumps(open_to_all))
    iam.attach_role_policy(RoleName="hedgerow-acme-flow", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [anybody]}
    iam.update_assume_role_policy(RoleName="hedgerow-acme-backup", PolicyDocument=json.dumps(trust))
    data = kms.describe_key(KeyId="alias/hedgerow/acme/data")["KeyMetadata"]["KeyId"]
    kms.put_key_policy(KeyId=data, PolicyName="default", Policy=json.dumps(trust))
    kms.disable_key(KeyId=data)
    trail = boto3.client("cloudtrail", region_name="us-east-1")
    trail.update_trail(Name="hedgerow-acme", EnableLogFileValidation=False)
    break_the_rest(machine["InstanceId"])


def break_the_rest(machine: str) -> None:
    """Break what has a repair of its own, with a call of its own."""

    def client(name: str) -> Any:
        return boto3.client(name, region_name="us-east-1")

    ec2, backup, s3 = (client(name) for name in ("ec2", "backup", "s3"))
    iam = client("iam")
    iam.create_instance_profile(InstanceProfileName="somebody-elses")
    (there,) = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    ec2.replace_iam_instance_profile_association(
        AssociationId=there["AssociationId"], IamInstanceProfile={"Name": "somebody-elses"}
    )
    (endpoint,) = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], RemoveRouteTableIds=endpoint["RouteTableIds"])
    (plan,) = backup.list_backup_plans()["BackupPlansList"]
    rule = {"RuleName": "daily", "TargetBackupVaultName": "hedgerow-acme", "Lifecycle": {"DeleteAfterDays": 1}}
    backup.update_backup_plan(
        BackupPlanId=plan["BackupPlanId"],
        BackupPlan={"BackupPlanName": "hedgerow-acme", "Rules": [{**rule, "ScheduleExpression": "cron(0 3 1 * ? *)"}]},
    )
    backup.delete_backup_vault_lock_configuration(BackupVaultName="hedgerow-acme")
    bucket = next(one["Name"] for one in s3.list_buckets()["Buckets"] if "-backup-" in one["Name"])
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    guardduty = client("guardduty")
    guardduty.update_detector(DetectorId=guardduty.list_detectors()["DetectorIds"][0], Enable=False)
    client("logs").disassociate_kms_key(logGroupName="/hedgerow/acme/flow")


def break_the_front() -> None:
    """Do to a load balancer what a careless administrator does."""
    elb, ec2 = (boto3.client(name, region_name="us-east-1") for name in ("elbv2", "ec2"))
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    arn = balancer["LoadBalancerArn"]
    off = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)
    wide = ec2.create_security_group(GroupName="wide", Description="wide", VpcId=balancer["VpcId"])["GroupId"]
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[wide])
    groups = {one["Port"]: one["TargetGroupArn"] for one in elb.describe_target_groups()["TargetGroups"]}
    hidden = [{"Key": "preserve_client_ip.enabled", "Value": "false"}]
    elb.modify_target_group_attributes(TargetGroupArn=groups[443], Attributes=hidden)
    forward = [{"Type": "forward", "TargetGroupArn": groups[80]}]
    elb.create_listener(LoadBalancerArn=arn, Protocol="TCP", Port=8443, DefaultActions=forward)
    for listener in elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
        if listener["Port"] == 443:
            elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=forward)
    image = ec2.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    other = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]
    elb.register_targets(TargetGroupArn=groups[80], Targets=[{"Id": other["InstanceId"]}])
    (there,) = [
        one["Target"]["Id"]
        for one in elb.describe_target_health(TargetGroupArn=groups[443])["TargetHealthDescriptions"]
    ]
    elb.deregister_targets(TargetGroupArn=groups[443], Targets=[{"Id": there}])


def break_what_reads() -> None:
    """Do to a load balancer that reads requests, and to what it stands on, what a careless administrator does."""

    def client(name: str) -> Any:
        return boto3.client(name, region_name="us-east-1")

    elb, waf, route53 = client("elbv2"), client("wafv2"), boto3.client("route53")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    arn = balancer["LoadBalancerArn"]
    off = [{"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "false"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)
    (listener,) = elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    elb.modify_listener(
        ListenerArn=listener["ListenerArn"],
        SslPolicy="ELBSecurityPolicy-2016-08",
        Certificates=[{"CertificateArn": listener["Certificates"][0]["CertificateArn"]}],
        DefaultActions=listener["DefaultActions"],
    )
    (group,) = elb.describe_target_groups()["TargetGroups"]
    elb.modify_target_group(
        TargetGroupArn=group["TargetGroupArn"], HealthCheckPath="/login", Matcher={"HttpCode": "200"}
    )
    waf.disassociate_web_acl(ResourceArn=arn)
    (row,) = waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    there = waf.get_web_acl(Name=row["Name"], Scope="REGIONAL", Id=row["Id"])
    acl = there["WebACL"]
    waf.update_web_acl(
        Name=row["Name"],
        Scope="REGIONAL",
        Id=row["Id"],
        DefaultAction={"Allow": {}},
        VisibilityConfig=acl["VisibilityConfig"],
        Rules=[{**rule, "OverrideAction": {"Count": {}}} for rule in acl["Rules"][:1]],
        LockToken=there["LockToken"],
    )
    log = waf.get_logging_configuration(ResourceArn=acl["ARN"])["LoggingConfiguration"]
    kept = {key: log[key] for key in ("ResourceArn", "LogDestinationConfigs")}
    waf.put_logging_configuration(LoggingConfiguration=kept)
    (domain,) = route53.list_hosted_zones()["HostedZones"]
    rows = route53.list_resource_record_sets(HostedZoneId=domain["Id"])["ResourceRecordSets"]
    gone = [{"Action": "DELETE", "ResourceRecordSet": one} for one in rows if one["Type"] == "CNAME"]
    route53.change_resource_record_sets(HostedZoneId=domain["Id"], ChangeBatch={"Changes": gone})


def put_away_what_is_beside() -> None:
    """Take back what `break_the_front` has made beside the deployment: that is not the installer's to remove."""
    ec2 = boto3.client("ec2", region_name="us-east-1")
    for row in ec2.describe_instances()["Reservations"]:
        for one in row["Instances"]:
            if not any(tag["Key"] == "hedgerow:deployment" for tag in one.get("Tags", [])):
                unguarded = {"InstanceId": one["InstanceId"], "DisableApiTermination": {"Value": False}}
                ec2.modify_instance_attribute(**unguarded)
                ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
    for group in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["wide"]}])["SecurityGroups"]:
        ec2.delete_security_group(GroupId=group["GroupId"])


def take_the_profile_away() -> None:
    """Let the machine play no role at all."""
    ec2 = boto3.client("ec2", region_name="us-east-1")
    (there,) = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=there["AssociationId"])


def an_old_key_bears_the_name() -> None:
    """Leave the alias of the disks' key to one that waits for its end."""
    kms = boto3.client("kms", region_name="us-east-1")
    old = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/hedgerow/acme/data", TargetKeyId=old)
    kms.schedule_key_deletion(KeyId=old, PendingWindowInDays=7)
