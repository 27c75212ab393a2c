-- Generated from services/lake/tables.py by `python -m services.queries.ddl`. Athena computes the partitions of events
-- from the projection below, so that a new day is queried as soon as its folder exists; with ATHENA_PARTITIONS=alter or
-- msck the projection is left out.
CREATE EXTERNAL TABLE IF NOT EXISTS {{database}}.events (
  event_id bigint,
  user_id bigint,
  event_type string,
  payload string COMMENT 'a JSON object',
  created_at timestamp COMMENT 'UTC'
)
COMMENT 'What users did, by the day of created_at in UTC'
PARTITIONED BY (year int, month int, day int)
STORED AS PARQUET
LOCATION '{{lake}}/events/'
TBLPROPERTIES (
  'classification' = 'parquet',
  'projection.enabled' = 'true',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2024,2030',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',
  'storage.location.template' = '{{lake}}/events/year=${year}/month=${month}/day=${day}/'
)
