"""The stand-in for the event log (Redpanda, Kafka's protocol). Lab only: a small broker of ours, for real clients.

It speaks the part of Kafka's protocol that librdkafka uses to produce, to consume in a group and to create topics, and
by which a superuser states topics, their settings and the access list; keeps batches in files, on disk before they are
acknowledged; knows clients by certificate or SCRAM; and asks the access list about every topic and group. Addresses,
TLS and superusers come from the same redpanda.yaml and .bootstrap.yaml as the real broker's (see `config`).

What it is not: one broker, no replicas, no transactions and no idempotent producer, no retention (a lab's log grows),
no HTTP admin API and no schema registry. A batch is taken as it comes: the checksum in it is its readers' to verify.

Why not a ready one: none was to be had for these machines but Tansu 0.6.0, in a wheel. There `--cert` refuses `--key`
(so no TLS), a broker with `--authentication` cannot be given its first user, it has no access lists, its storage is
memory or S3, and a librdkafka consumer group did not get a partition within 12 s.
"""
