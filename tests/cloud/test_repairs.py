"""What a careless administrator does is seen, put back, and asks for nothing that the policy does not give."""

from __future__ import annotations

import json

import boto3

from hedgerow.targets.aws.permissions import calls as in_the_source
from tests.cloud.account import actions, quiet, recorded, target


def test_what_somebody_has_changed_by_hand_is_put_back(aws: str) -> None:
    zone = boto3.client("route53").create_hosted_zone(Name="acme.example", CallerReference="a")["HostedZone"]["Id"]
    public = f"public: true, zone: {zone.rpartition('/')[2]}"
    with recorded() as calls:
        target(public).provision(quiet)
    made = set(calls)
    break_things()
    broken = {name for name, action in actions(target(public)).items() if action != "keep"}
    assert {"vpc-endpoint/s3", "instance/analytics-1", "role/flow", "key/data", "trail/main"} <= broken
    with recorded() as calls:
        target(public).provision(quiet)
    made |= set(calls)
    assert set(actions(target(public)).values()) == {"keep"}
    with recorded() as calls:
        target(public).destroy(quiet)
        target().provision(quiet)
        target().destroy(quiet)
    assert made | set(calls) <= in_the_source(), "the policy is made of the source: what is called must stand there"


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
