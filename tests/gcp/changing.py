"""Every call of the target that changes something, by what it is made for: `test_target_faults` holds the lists whole.

PRIVATE are those of a machine without an address of the internet, ZONES those of one without a way there, FRONT
those of a load balancer.
"""

from __future__ import annotations

KEYS = "cloudkms.projects.locations.keyRings"
MADE = {
    "compute.addresses.insert",
    "compute.disks.insert",
    "compute.firewalls.insert",
    "compute.instances.insert",
    "compute.networks.insert",
    "compute.resourcePolicies.insert",
    "compute.subnetworks.insert",
    "iam.projects.serviceAccounts.create",
    "serviceusage.services.batchEnable",
    f"{KEYS}.create",
    f"{KEYS}.cryptoKeys.create",
    f"{KEYS}.cryptoKeys.setIamPolicy",
    "cloudresourcemanager.projects.setIamPolicy",
    "logging.projects.locations.buckets.patch",
    "dns.policies.create",
    "dns.changes.create",
    "logging.projects.sinks.create",
    "monitoring.projects.alertPolicies.create",
    "monitoring.projects.notificationChannels.create",
    "storage.buckets.insert",
    "storage.buckets.lockRetentionPolicy",
    "storage.buckets.setIamPolicy",
}
PRIVATE = {"compute.routers.insert"}
ZONES = {"dns.managedZones.create"}
ENDED = {
    "compute.addresses.delete",
    "compute.disks.delete",
    "compute.firewalls.delete",
    "compute.instances.delete",
    "compute.instances.setDeletionProtection",
    "compute.networks.delete",
    "compute.resourcePolicies.delete",
    "compute.subnetworks.delete",
    "iam.projects.serviceAccounts.delete",
    f"{KEYS}.cryptoKeys.cryptoKeyVersions.destroy",
    f"{KEYS}.cryptoKeys.patch",
    "dns.policies.delete",
    "dns.policies.patch",
    "dns.changes.create",
    "logging.projects.sinks.delete",
    "monitoring.projects.alertPolicies.delete",
    "monitoring.projects.notificationChannels.delete",
}
ENDED_PRIVATE = {"compute.routers.delete"}
ENDED_ZONES = {"dns.managedZones.delete"}
MENDED = {
    "cloudresourcemanager.projects.setIamPolicy",
    "compute.disks.addResourcePolicies",
    "compute.disks.removeResourcePolicies",
    "compute.firewalls.delete",
    "compute.firewalls.insert",
    "compute.firewalls.patch",
    "compute.instances.addAccessConfig",
    "compute.instances.deleteAccessConfig",
    "compute.instances.setDeletionProtection",
    "compute.instances.setMetadata",
    "compute.instances.setScheduling",
    "compute.instances.setServiceAccount",
    "compute.instances.start",
    "compute.instances.stop",
    "compute.instances.updateShieldedInstanceConfig",
    "compute.networks.patch",
    "compute.resourcePolicies.patch",
    "compute.subnetworks.patch",
    "compute.subnetworks.setPrivateIpGoogleAccess",
    "dns.changes.create",
    "dns.policies.patch",
    "iam.projects.serviceAccounts.enable",
    f"{KEYS}.cryptoKeys.patch",
    f"{KEYS}.cryptoKeys.setIamPolicy",
    "logging.projects.locations.buckets.patch",
    "logging.projects.sinks.patch",
    "monitoring.projects.alertPolicies.patch",
    "monitoring.projects.notificationChannels.patch",
    "storage.buckets.patch",
    "storage.buckets.setIamPolicy",
}
MENDED_PRIVATE = {"compute.routers.patch"}
MENDED_ZONES = {"dns.managedZones.patch"}
REVIVED = {f"{KEYS}.cryptoKeys.cryptoKeyVersions.create", f"{KEYS}.cryptoKeys.updatePrimaryVersion"}
"""What gives a key whose versions have ended a new one."""
FRONT = {
    "compute.backendServices.insert",
    "compute.backendServices.setSecurityPolicy",
    "compute.globalAddresses.insert",
    "compute.globalForwardingRules.insert",
    "compute.healthChecks.insert",
    "compute.networkEndpointGroups.attachNetworkEndpoints",
    "compute.networkEndpointGroups.insert",
    "compute.securityPolicies.insert",
    "compute.sslCertificates.insert",
    "compute.sslPolicies.insert",
    "compute.targetHttpsProxies.insert",
    "compute.urlMaps.insert",
}
ENDED_FRONT = {f"{name.rpartition('.')[0]}.delete" for name in FRONT}
MENDED_FRONT = {
    "compute.backendServices.patch",
    "compute.backendServices.setSecurityPolicy",
    "compute.globalForwardingRules.setTarget",
    "compute.healthChecks.patch",
    "compute.networkEndpointGroups.attachNetworkEndpoints",
    "compute.networkEndpointGroups.detachNetworkEndpoints",
    "compute.securityPolicies.addRule",
    "compute.securityPolicies.patch",
    "compute.securityPolicies.patchRule",
    "compute.securityPolicies.removeRule",
    "compute.sslPolicies.patch",
    "compute.targetHttpsProxies.patch",
    "compute.urlMaps.patch",
}
