"""The suites that the eventsourcing library ships for persistence modules, on ours with a real PostgreSQL.

Left out is `TranscoderTestCase`: bodies are signed bytes, so we bring no transcoder.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.tests.application import ApplicationTestCase, ExampleApplicationTestCase
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from eventsourcing.tests.projection import (
    AggregateEventCountersProjectionTestCase,
    EventCountersView,
    EventCountersViewTestCase,
    EventSourcedProjectionTestCase,
)
from eventsourcing.utils import Environment

from ledger.store.postgres.database import Database
from ledger.store.recorder import PostgresTrackingRecorder, insert_tracking, library_errors
from tests.support.library import WritingAggregateRecorder, WritingFactory, WritingRecorder

_schemas = (f"suite_{number}" for number in count())


class CountersView(PostgresTrackingRecorder, EventCountersView):
    """Two counters in a table, each changed in the transaction that records how far the log was read."""

    def __init__(self, database: Database, schema_name: str) -> None:
        super().__init__(database, schema_name)
        with self.database.transaction() as cursor:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {self.schema}.counters (created bigint, subsequent bigint);"
                f"INSERT INTO {self.schema}.counters SELECT 0, 0"
                f" WHERE NOT EXISTS (SELECT FROM {self.schema}.counters)"
            )

    def get_created_event_counter(self) -> int:
        return self._get("created")

    def get_subsequent_event_counter(self) -> int:
        return self._get("subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment("created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment("subsequent", tracking)

    def _get(self, counter: str) -> int:
        with library_errors(), self.database.read() as cursor:
            cursor.execute(f"SELECT {counter} FROM {self.schema}.counters")
            return int(cursor.fetchall()[0][0])

    def _increment(self, counter: str, tracking: Tracking) -> None:
        with library_errors(), self.database.transaction() as cursor:
            cursor.execute(f"UPDATE {self.schema}.counters SET {counter} = {counter} + 1")
            insert_tracking(cursor, self.schema, tracking)


class OnPostgres:
    """Gives each test a schema that nothing was written to, and text ids."""

    schema: str
    database_url: str
    factory: WritingFactory

    @pytest.fixture(autouse=True)
    def _fresh_schema(self, database_url: str) -> Iterator[None]:
        self.database_url = database_url
        self.schema = next(_schemas)
        self.drop(self.schema, f"{self.schema}_snapshots", f"{self.schema}_downstream")
        self.factory = WritingFactory(self.settings())
        with closing(self.factory):
            yield

    def settings(self) -> dict[str, str]:
        return {"YONGZHI_DATABASE_URL": self.database_url, "YONGZHI_SCHEMA": self.schema}

    def drop(self, *schemas: str) -> None:
        database = Database(self.database_url)
        with closing(database), database.transaction() as cursor:
            for schema in schemas:
                cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def new_originator_id(self) -> str:
        return str(uuid4())


class Configured(OnPostgres):
    """Applications that find our module through the environment, as users of the library configure one."""

    @pytest.fixture(autouse=True)
    def _environment(self, _fresh_schema: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)
        yield
        # The suites leave applications open; their connections end with them.
        gc.collect()

    def environment(self) -> Mapping[str, str]:
        return {"PERSISTENCE_MODULE": "tests.support.library", **self.settings()}


# -- recorders --------------------------------------------------------------------------------------


class TestAggregateRecorder(OnPostgres, AggregateRecorderTestCase):
    def create_recorder(self) -> WritingAggregateRecorder:
        return self.factory.aggregate_recorder()


class TestApplicationRecorder(OnPostgres, ApplicationRecorderTestCase):
    def create_recorder(self) -> WritingRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(OnPostgres, TrackingRecorderTestCase):
    def create_recorder(self) -> PostgresTrackingRecorder:
        return self.factory.tracking_recorder()


class TestProcessRecorder(OnPostgres, ProcessRecorderTestCase):
    def create_recorder(self) -> WritingRecorder:
        return self.factory.process_recorder()


class TestNonInterleavingNotificationIDs(OnPostgres, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> WritingRecorder:
        return self.factory.application_recorder()


class TrackingRecorderSubclass(PostgresTrackingRecorder):
    """What an application's own view is to the factory."""


class TestInfrastructureFactory(OnPostgres, InfrastructureFactoryTestCase):
    def setUp(self) -> None:
        self.env = Environment(env={"PERSISTENCE_MODULE": "tests.support.library", **self.settings()})
        super().setUp()

    def expected_factory_class(self) -> type[InfrastructureFactory[Any]]:
        return WritingFactory

    def expected_aggregate_recorder_class(self) -> type[WritingAggregateRecorder]:
        return WritingAggregateRecorder

    def expected_application_recorder_class(self) -> type[WritingRecorder]:
        return WritingRecorder

    def expected_tracking_recorder_class(self) -> type[PostgresTrackingRecorder]:
        return PostgresTrackingRecorder

    def tracking_recorder_subclass(self) -> type[PostgresTrackingRecorder]:
        return TrackingRecorderSubclass

    def expected_process_recorder_class(self) -> type[WritingRecorder]:
        return WritingRecorder


# -- applications -----------------------------------------------------------------------------------


class TestExampleApplication(Configured, ExampleApplicationTestCase):
    expected_factory_topic = "tests.support.library:WritingFactory"


class TestApplication(Configured, ApplicationTestCase):
    pass


# -- projections ------------------------------------------------------------------------------------


class TestEventCountersView(OnPostgres, EventCountersViewTestCase):
    def construct_event_counters_view(self) -> EventCountersView:
        view = self.factory.tracking_recorder(CountersView)
        assert isinstance(view, CountersView)
        return view


class TestAggregateEventCountersProjection(Configured, AggregateEventCountersProjectionTestCase):
    view_class = CountersView


class TestEventSourcedProjection(Configured, EventSourcedProjectionTestCase):
    env: ClassVar[dict[str, str]] = {}

    def environment(self) -> Mapping[str, str]:
        # The projection, called Counters, is an application with a log of its own.
        return {**super().environment(), "COUNTERS_YONGZHI_SCHEMA": f"{self.schema}_downstream"}


# The suites themselves would be collected as well.
del (
    AggregateEventCountersProjectionTestCase,
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    ApplicationTestCase,
    EventCountersViewTestCase,
    EventSourcedProjectionTestCase,
    ExampleApplicationTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
