"""The stand-in for the event log (Redpanda, Kafka's protocol). Lab only: a small broker of ours, for real clients.

It speaks the part of Kafka's protocol that librdkafka uses to produce, to consume in a group and to create topics;
keeps batches in files, on disk before they are acknowledged; takes SCRAM-SHA-256 and -512; and asks an access list
about every topic and group. Addresses and TLS come from the same redpanda.yaml as the real broker's, users, access
list and topics from a file beside it (see `config`).

What it is not: one broker, no replicas, no transactions and no idempotent producer, no retention (a lab's log grows),
no admin API and no schema registry. A batch is taken as it comes: the checksum in it is its readers' to verify.

Why not a ready one: none was to be had for these machines but Tansu 0.6.0, in a wheel. There `--cert` refuses `--key`
(so no TLS), a broker with `--authentication` cannot be given its first user, it has no access lists, its storage is
memory or S3, and a librdkafka consumer group did not get a partition within 12 s.
"""
