"""API keys and their use, as version 0.1.0 has them. From then on migrations are only added (docs/releasing.md)."""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import apikeys.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0001_v0_1_0"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UnmatchedUse",
            fields=[
                ("starts_at", models.DateTimeField(primary_key=True, serialize=False)),
                ("calls", models.PositiveBigIntegerField()),
            ],
            options={
                "verbose_name": "calls that matched no key",
                "verbose_name_plural": "calls that matched no key",
                "ordering": ["-starts_at"],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(
                        default=apikeys.models.new_key_id, editable=False, max_length=20, unique=True, verbose_name="id"
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("paused", "Paused"), ("deleted", "Deleted")],
                        default="active",
                        max_length=32,
                    ),
                ),
                ("mask", models.CharField(max_length=40)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("pepper_id", models.CharField(max_length=16)),
                ("ciphertext", models.BinaryField(null=True)),
                ("ring_key_id", models.CharField(blank=True, max_length=16)),
                ("form_token", models.CharField(editable=False, max_length=64, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("paused_at", models.DateTimeField(null=True)),
                (
                    "pause_reason",
                    models.CharField(
                        blank=True,
                        choices=[("reported", "reported as leaked")],
                        db_default="",
                        default="",
                        max_length=32,
                    ),
                ),
                ("deleted_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField(null=True, verbose_name="last used")),
                ("last_used_address", models.GenericIPAddressField(null=True)),
                ("refused_calls", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("last_refused_at", models.DateTimeField(null=True)),
                ("last_refused_address", models.GenericIPAddressField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="created_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="api_keys", to="projects.project"
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="KeyUse",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "key_id",
                        "span",
                        "starts_at",
                        "outcome",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "span",
                    models.CharField(choices=[("hour", "hour"), ("day", "day"), ("month", "month")], max_length=32),
                ),
                ("starts_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("ok", "allowed"),
                            ("paused", "paused"),
                            ("deleted", "deleted"),
                            ("forbidden", "creator deactivated"),
                        ],
                        max_length=32,
                    ),
                ),
                ("calls", models.PositiveBigIntegerField()),
                ("last_at", models.DateTimeField()),
                ("last_address", models.GenericIPAddressField(null=True)),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="use",
                        to="apikeys.apikey",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ProjectUse",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "project_id",
                        "starts_at",
                        "outcome",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("ok", "allowed"),
                            ("paused", "paused"),
                            ("deleted", "deleted"),
                            ("forbidden", "creator deactivated"),
                        ],
                        max_length=32,
                    ),
                ),
                ("calls", models.PositiveBigIntegerField()),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="use",
                        to="projects.project",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["project", "state", "-created_at", "-id"], name="apikey_list_of_project"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["state", "-created_at", "-id"], name="apikey_list_of_all"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(
                models.F("project"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("state", "deleted"), _negated=True),
                name="apikey_name_unique_among_living",
                violation_error_message="This project already has a key of that name.",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(fields=("project", "form_token"), name="apikey_once_per_submitted_form"),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["active", "paused", "deleted"])), name="apikey_state_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paused_at__isnull", False), ("state", "paused")),
                    models.Q(
                        models.Q(("state", "paused"), _negated=True),
                        ("paused_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="apikey_paused_at_while_paused",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("pause_reason", ""),
                    models.Q(("pause_reason__in", ["reported"]), ("state", "paused")),
                    _connector="OR",
                ),
                name="apikey_pause_reason_while_paused",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ciphertext__isnull", True),
                        ("deleted_at__isnull", False),
                        ("state", "deleted"),
                    ),
                    models.Q(
                        models.Q(("state", "deleted"), _negated=True),
                        ("deleted_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="apikey_tombstone_has_no_ciphertext",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ciphertext__isnull", True), ("ring_key_id", "")),
                    models.Q(("ciphertext__isnull", False), models.Q(("ring_key_id", ""), _negated=True)),
                    _connector="OR",
                ),
                name="apikey_ciphertext_names_its_ring_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="keyuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("span__in", ["hour", "day", "month"])), name="keyuse_span_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="keyuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["ok", "paused", "deleted", "forbidden"])),
                name="keyuse_outcome_is_known",
            ),
        ),
    ]
