"""The outbox of emails, as version 0.1.0 has it. From then on migrations are only added (docs/releasing.md)."""

import django.utils.timezone
from django.db import migrations, models

import common.outbox.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Email",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=common.outbox.models.new_email_id,
                        editable=False,
                        max_length=20,
                        unique=True,
                        verbose_name="id",
                    ),
                ),
                (
                    "lane",
                    models.CharField(
                        choices=[("owners", "Notice to owners"), ("accounts", "About an account")],
                        max_length=32,
                        verbose_name="kind",
                    ),
                ),
                ("about", models.CharField(max_length=32)),
                ("cause", models.CharField(blank=True, max_length=64)),
                ("recipient", models.BinaryField(max_length=32)),
                ("ciphertext", models.BinaryField(null=True)),
                ("ring_key_id", models.CharField(blank=True, max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                        ],
                        default="waiting",
                        max_length=32,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="written"),
                ),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="next try")),
                ("tries", models.PositiveIntegerField(default=0)),
                ("useless_at", models.DateTimeField(null=True, verbose_name="useless after")),
                ("settled_at", models.DateTimeField(null=True, verbose_name="sent or given up")),
                ("last_error", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["lane", "due_at"], name="email_waiting"
                    ),
                    models.Index(fields=["lane", "state", "settled_at"], name="email_settled"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("lane__in", ["owners", "accounts"])), name="email_lane_is_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "sent", "failed", "expired"])),
                        name="email_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ciphertext__isnull", False), ("state__in", ("waiting", "failed"))),
                            models.Q(
                                models.Q(("state__in", ("waiting", "failed")), _negated=True),
                                ("ciphertext__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="email_has_words_while_sendable",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ciphertext__isnull", True), ("ring_key_id", "")),
                            models.Q(("ciphertext__isnull", False), models.Q(("ring_key_id", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="email_ciphertext_names_its_ring_key",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("settled_at__isnull", True), ("state", "waiting")),
                            models.Q(models.Q(("state", "waiting"), _negated=True), ("settled_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="email_settled_unless_waiting",
                    ),
                ],
            },
        ),
    ]
