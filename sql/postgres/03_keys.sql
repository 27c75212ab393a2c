-- Foreign keys and indexes, after the rows: a load is several times as fast without them.

ALTER TABLE public.orders ADD FOREIGN KEY (user_id) REFERENCES public.users;
CREATE INDEX orders_user_id ON public.orders (user_id);
CREATE INDEX orders_created_at ON public.orders (created_at);

ALTER TABLE public.events ADD FOREIGN KEY (user_id) REFERENCES public.users;
CREATE INDEX events_user_id ON public.events (user_id);
CREATE INDEX events_created_at ON public.events (created_at);
