-- A database for dffmpeg on PostgreSQL (12 or newer), as its superuser: psql -f postgresql.sql
-- In pg_hba.conf:  hostssl  dffmpeg  dffmpeg  10.0.0.0/24  scram-sha-256

CREATE ROLE dffmpeg LOGIN PASSWORD 'change-me';

-- It owns the database, since it makes and changes its tables itself, and may do nothing outside of it.
CREATE DATABASE dffmpeg OWNER dffmpeg ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE dffmpeg FROM PUBLIC;

-- A coordinator takes database.engine_defaults.postgresql.pool_size connections (4), and 2 more.
ALTER ROLE dffmpeg CONNECTION LIMIT 60;
