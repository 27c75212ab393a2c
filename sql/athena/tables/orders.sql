-- Generated from services/lake/tables.py by `python -m services.queries.ddl`. Athena computes the partitions of orders
-- from the projection below, so that a new day is queried as soon as its folder exists; with ATHENA_PARTITIONS=alter or
-- msck the projection is left out.
CREATE EXTERNAL TABLE IF NOT EXISTS {{database}}.orders (
  order_id bigint,
  user_id bigint,
  amount decimal(12,2) COMMENT 'US dollars',
  status string,
  created_at timestamp COMMENT 'UTC'
)
COMMENT 'What was bought, by the day of created_at in UTC'
PARTITIONED BY (year int, month int, day int)
STORED AS PARQUET
LOCATION '{{lake}}/orders/'
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
  'storage.location.template' = '{{lake}}/orders/year=${year}/month=${month}/day=${day}/'
)
