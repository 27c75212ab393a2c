-- Foreign keys and indexes, after the rows: a load is several times as fast without them.

ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE INDEX orders_user_id ON orders (user_id);
CREATE INDEX orders_created_at ON orders (created_at);

ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users;
CREATE INDEX events_user_id ON events (user_id);
CREATE INDEX events_created_at ON events (created_at);
