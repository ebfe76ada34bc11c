-- A database for dffmpeg on MariaDB (10.6 or newer) or MySQL (8.0.17 or newer), as root: mariadb < mariadb.sql

CREATE DATABASE dffmpeg CHARACTER SET utf8mb4;

-- From the coordinators' network only. Where the server has TLS, add:  REQUIRE SSL
CREATE USER 'dffmpeg'@'10.0.0.%' IDENTIFIED BY 'change-me';

-- The second line is for migrations: coordinators make and change their tables themselves.
GRANT SELECT, INSERT, UPDATE, DELETE,
      CREATE, ALTER, INDEX, DROP
   ON dffmpeg.* TO 'dffmpeg'@'10.0.0.%';

-- A coordinator takes database.engine_defaults.mysql.pool_size connections (4), and one more.
