-- A small paper's database as schema 0015 left it: a few rows in every table. Runs on SQLite and PostgreSQL (X'..' is adapted).
DELETE FROM counters;
INSERT INTO counters (name, value) VALUES ('article_seq', 3);
INSERT INTO counters (name, value) VALUES ('article_revision', 5);

INSERT INTO meta (key, value) VALUES ('first_run_at', '2026-11-01T06:00:00+00:00');

INSERT INTO sources (name, state, date_shift, next_poll_at, polled_at, ok_at, broken_since, error) VALUES ('stories', '{"full_at":"2026-11-20T07:00:00+00:00"}', 86400, '2026-11-20 07:35:00.000000', '2026-11-20 07:30:00.000000', '2026-11-20 07:30:00.000000', NULL, NULL);
INSERT INTO sources (name, state, date_shift, next_poll_at, polled_at, ok_at, broken_since, error) VALUES ('cms', '{}', 0, NULL, '2026-11-20 07:30:00.000000', NULL, '2026-11-19 22:00:00.000000', 'the table "articles" is gone');

INSERT INTO source_items (source, item, stamp, key, error) VALUES ('stories', 'crane.md', '1732088000-412', 'crane', NULL);
INSERT INTO source_items (source, item, stamp, key, error) VALUES ('stories', 'broken.md', '1732088001-9', NULL, 'no title');

INSERT INTO articles (id, uid, source, key, seq, revision, version, content_hash, title, url, html, markdown, summary, authors, publisher, category, tags, language, published_at, updated_at, expires_at, withdrawn_at, pinned, kind, image, image_alt, comments, comments_url, popularity, first_seen_at, changed_at) VALUES (1, 'tag:courier.example,2026:stories/crane', 'stories', 'crane', 1, 2, 2, 'a1', 'The old crane''s last lift', 'https://courier.example/crane', '<p>It took an hour; nobody left.</p>', 'It took an hour; nobody left.', 'An hour on the quay.', '["Ines Hale"]', 'Harbour Media', 'Port', '["cranes","history"]', 'en', '2026-11-18 06:00:00.000000', '2026-11-18 09:00:00.000000', NULL, NULL, TRUE, 'article', 'https://courier.example/crane.png', 'A crane against the dawn', 4, 'https://courier.example/crane#comments', 0.75, '2026-11-18 06:05:00.000000', '2026-11-18 09:05:00.000000');
INSERT INTO articles (id, uid, source, key, seq, revision, version, content_hash, title, url, html, markdown, summary, authors, publisher, category, tags, language, published_at, updated_at, expires_at, withdrawn_at, pinned, kind, image, image_alt, comments, comments_url, popularity, first_seen_at, changed_at) VALUES (2, 'tag:courier.example,2026:stories/tide', 'stories', 'tide', 2, 3, 1, 'b1', 'مدّ الربيع', NULL, '<p>سبعة أمتار.</p>', NULL, '', '[]', NULL, NULL, '[]', 'ar', '2026-11-19 06:00:00.000000', NULL, '2026-12-01 00:00:00.000000', '2026-11-19 12:00:00.000000', FALSE, 'notice', NULL, '', NULL, NULL, NULL, '2026-11-19 06:05:00.000000', '2026-11-19 12:00:00.000000');
INSERT INTO articles (id, uid, source, key, seq, revision, version, content_hash, title, url, html, markdown, summary, authors, publisher, category, tags, language, published_at, updated_at, expires_at, withdrawn_at, pinned, kind, image, image_alt, comments, comments_url, popularity, first_seen_at, changed_at) VALUES (7, 'tag:courier.example,2026:stories/fair', 'stories', 'fair', NULL, 5, 1, 'c1', 'Saturday''s fair', 'https://courier.example/fair', '<p>From ten.</p>', NULL, 'From ten.', '["Ole Brandt"]', 'Harbour Media', 'Town', '["fair"]', 'en', '2026-12-05 06:00:00.000000', NULL, NULL, NULL, FALSE, 'correction', NULL, '', NULL, NULL, NULL, '2026-11-20 07:30:00.000000', '2026-11-20 07:30:00.000000');

INSERT INTO article_terms (article_id, kind, term, published_at) VALUES (1, 'category', 'port', '2026-11-20 08:00:00.000000');
INSERT INTO article_terms (article_id, kind, term, published_at) VALUES (1, 'author', 'ines hale', '2026-11-20 08:00:00.000000');
INSERT INTO article_terms (article_id, kind, term, published_at) VALUES (7, 'tag', 'fair', '2026-11-20 08:00:00.000000');

INSERT INTO article_versions (article_id, version, content_hash, content, replaced_at) VALUES (1, 1, 'a0', '{"title":"The crane lifts"}', '2026-11-18 09:05:00.000000');

INSERT INTO feeds (name, base, kind, term, label, title, revision, settings_hash, entries, pages, built_at, oldest_at, due_at, error, gone_at, moved_to, uid) VALUES ('all', 'all', '', '', '', 'The Harbour Courier', 4, 'f1', 2, 1, '2026-11-20 07:30:01.000000', NULL, NULL, NULL, NULL, NULL, 'tag:courier.example,2026-11-20:feeds/all');
INSERT INTO feeds (name, base, kind, term, label, title, revision, settings_hash, entries, pages, built_at, oldest_at, due_at, error, gone_at, moved_to, uid) VALUES ('all/category/port', 'all', 'category', 'port', 'Port', 'The Harbour Courier: Port', 4, 'f1', 2, 0, '2026-11-20 07:30:01.000000', '2026-11-18 09:00:00.000000', '2026-11-30 09:00:00.000000', 'no room', NULL, NULL, NULL);
INSERT INTO feeds (name, base, kind, term, label, title, revision, settings_hash, entries, pages, built_at, oldest_at, due_at, error, gone_at, moved_to, uid) VALUES ('news', 'news', '', '', '', '', -1, '', 0, 0, '2026-11-20 07:30:01.000000', NULL, NULL, NULL, '2026-11-20 07:30:01.000000', 'all', NULL);
INSERT INTO feed_entries (feed, article_id, page) VALUES ('all', 1, 1), ('all', 2, NULL);
INSERT INTO feed_documents (path, feed, format, content_hash, size, entries, changed_at, gzip_size, brotli_size, brotli_quality) VALUES ('all/rss.xml', 'all', 'rss', 'd1', 2048, 2, '2026-11-20 07:30:01.000000', 700, 600, 5);

INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, language, timezone, created_at) VALUES (1, 'Ada@reader.example', 'ada@reader.example', 'h1', 'reader.example', 'Ada', 'en', 'Europe/London', '2026-11-01 08:00:00.000000');
INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, language, timezone, created_at) VALUES (2, 'bo@reader.example', 'bo@reader.example', 'h2', 'reader.example', '', NULL, NULL, '2026-11-02 08:00:00.000000');
INSERT INTO subscribers (id, email, email_key, email_hash, domain, name, language, timezone, created_at) VALUES (5, 'cy@harbour.example', 'cy@harbour.example', 'h5', 'harbour.example', 'Cy', NULL, NULL, '2026-11-03 08:00:00.000000');

INSERT INTO subscriptions (id, subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq, carry, created_at, confirmed_at, unsubscribed_at) VALUES (1, 1, 'morning', 'confirmed', 'daily', '{"*":0}', 2, FALSE, 0, '[1]', '2026-11-01 08:00:00.000000', '2026-11-01 08:10:00.000000', NULL);
INSERT INTO subscriptions (id, subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq, carry, created_at, confirmed_at, unsubscribed_at) VALUES (2, 2, 'morning', 'unconfirmed', 'weekly', '{"port":0}', 0, TRUE, 2, '[]', '2026-11-02 08:00:00.000000', NULL, NULL);
INSERT INTO subscriptions (id, subscriber_id, digest, state, frequency, topics, cursor, first, joined_seq, carry, created_at, confirmed_at, unsubscribed_at) VALUES (3, 5, 'morning', 'unsubscribed', 'instant', '{"*":0}', 1, FALSE, 0, '[]', '2026-11-03 08:00:00.000000', '2026-11-03 08:01:00.000000', '2026-11-10 08:00:00.000000');

INSERT INTO consent_events (id, subscription_id, event, at, via, detail) VALUES (1, 1, 'subscribed', '2026-11-01 08:00:00.000000', 'page', '{"words":"I want the Morning Courier"}');
INSERT INTO consent_events (id, subscription_id, event, at, via, detail) VALUES (2, 1, 'confirmed', '2026-11-01 08:10:00.000000', 'mail', '{}');
INSERT INTO consent_events (id, subscription_id, event, at, via, detail) VALUES (3, 3, 'unsubscribed', '2026-11-10 08:00:00.000000', 'one_click', '{}');

INSERT INTO confirmations (id, subscription_id, state, attempts, due_at, holder, marked_at, finished_at, reply, created_at) VALUES (1, 1, 'accepted', 1, '2026-11-01 08:00:00.000000', NULL, '2026-11-01 08:00:01.000000', '2026-11-01 08:00:02.000000', '250 2.0.0 queued', '2026-11-01 08:00:00.000000');
INSERT INTO confirmations (id, subscription_id, state, attempts, due_at, holder, marked_at, finished_at, reply, created_at) VALUES (2, 2, 'queued', 0, '2026-11-02 08:00:00.000000', NULL, NULL, NULL, NULL, '2026-11-02 08:00:00.000000');

INSERT INTO suppressions (id, scope, value, reason, note, created_at) VALUES (1, 'address', 'h9', 'hard_bounce', '', '2026-11-05 08:00:00.000000');
INSERT INTO suppressions (id, scope, value, reason, note, created_at) VALUES (2, 'domain', 'closed.example', 'manual', 'the company is gone', '2026-11-06 08:00:00.000000');

INSERT INTO issues (id, digest, period, state, reason, subject, max_seq, recipients, composed_at, started_at, finished_at, final_counts) VALUES (1, 'morning', 'daily/2026-11-19', 'finished', NULL, 'Morning Courier: The old crane''s last lift', 1, 2, '2026-11-19 07:30:00.000000', '2026-11-19 07:30:01.000000', '2026-11-19 07:30:09.000000', NULL);
INSERT INTO issues (id, digest, period, state, reason, subject, max_seq, recipients, composed_at, started_at, finished_at, final_counts) VALUES (2, 'morning', 'daily/2026-11-20', 'skipped', 'nothing new', '', 2, 0, '2026-11-20 07:30:00.000000', NULL, NULL, NULL);
INSERT INTO issues (id, digest, period, state, reason, subject, max_seq, recipients, composed_at, started_at, finished_at, final_counts) VALUES (3, 'morning', 'weekly/2024-W46', 'finished', NULL, 'An old week', 0, 9, '2024-11-11 07:30:00.000000', '2024-11-11 07:30:01.000000', '2024-11-11 07:31:00.000000', '{"accepted":8,"cancelled":0,"deferred":0,"in_doubt":0,"queued":0,"rejected":1,"sending":0,"suppressed":0}');

INSERT INTO editions (id, issue_id, key, language, subject, articles, message, recipients, composed_at) VALUES (1, 1, 'e1', 'en', 'Morning Courier: The old crane''s last lift', '[{"id":1,"role":"full","version":1}]', X'5375626A6563743A20C3A90D0A0D0A00FF', 2, '2026-11-19 07:30:00.000000');
INSERT INTO editions (id, issue_id, key, language, subject, articles, message, recipients, composed_at) VALUES (2, 3, 'e1', 'en', 'An old week', '[]', NULL, 9, '2024-11-11 07:30:00.000000');

INSERT INTO cohorts (id, issue_id, edition_id, cursor, first, joined_seq, topics, carry, language, left_over, recipients) VALUES (1, 1, 1, 0, TRUE, 1, '{"*":0}', '[]', 'en', '[1]', 2);

INSERT INTO deliveries (id, issue_id, edition_id, cohort_id, subscriber_id, state, reason, attempts, due_at, holder, marked_at, finished_at, relay, reply_code, reply, resolved) VALUES (1, 1, 1, 1, 1, 'accepted', NULL, 1, '2026-11-19 07:30:00.000000', 'host/1/x', '2026-11-19 07:30:01.000000', '2026-11-19 07:30:02.000000', '127.0.0.1:25', 250, '2.0.0 queued as 9F', FALSE);
INSERT INTO deliveries (id, issue_id, edition_id, cohort_id, subscriber_id, state, reason, attempts, due_at, holder, marked_at, finished_at, relay, reply_code, reply, resolved) VALUES (2, 1, NULL, NULL, NULL, 'suppressed', 'hard_bounce', 0, '2026-11-19 07:30:00.000000', NULL, NULL, '2026-11-19 07:30:00.000000', NULL, NULL, NULL, FALSE);

INSERT INTO schedules (name, rule_hash, due_at, ran_at) VALUES ('digest/morning/daily', 'r1', '2026-11-21 07:30:00.000000', '2026-11-20 07:30:00.000000');
INSERT INTO batches (id, issue_id, first_id, last_id, holder, fence, finished) VALUES (1, 1, 1, 2, 'host/1/x', 2, TRUE), (2, 1, 3, 4, NULL, 0, FALSE);
INSERT INTO holders (holder, host, pid, started_at, seen_at, boot_id, database_started_at) VALUES ('host/1/x', 'host', 1, '2026-11-19 07:00:00.000000', '2026-11-19 08:00:00.000000', 'e7a5c1', '2026-11-01 07:00:00.000000');

INSERT INTO attempts (id, delivery_id, number, event, at, begun_at, reason, relay, reply_code, reply, next_at) VALUES (1, 1, 1, 'deferred', '2026-11-19 07:30:01.000000', '2026-11-19 07:30:00.500000', NULL, '127.0.0.1:25', 450, '4.2.0 greylisted', '2026-11-19 07:35:01.000000');

INSERT INTO topic_changes (topic, changed_at) VALUES ('https://news.courier.example/feeds/all/rss.xml', '2026-11-20 07:30:01.000000');
INSERT INTO hub_pings (hub, topic, changes, due_at, attempts, holder, owed_at, told_at, status, error) VALUES ('https://hub.example/', 'https://news.courier.example/feeds/all/rss.xml', 3, '2026-11-20 07:31:00.000000', 1, NULL, '2026-11-20 07:30:01.000000', '2026-11-19 07:30:02.000000', 503, 'it answered 503');
INSERT INTO hub_requests (id, topic, callback, host, mode, secret, lease_seconds, reason, due_at, attempts, holder, created_at) VALUES (4, 'https://news.courier.example/feeds/all/rss.xml', 'https://reader.example/hook?u=9', 'reader.example', 'subscribe', 'a secret', 864000, NULL, '2026-11-20 07:31:00.000000', 0, NULL, '2026-11-20 07:31:00.000000');
INSERT INTO hub_subscriptions (id, topic, callback, host, secret, created_at, verified_at, expires_at) VALUES (2, 'https://news.courier.example/feeds/all/rss.xml', 'https://reader.example/hook?u=8', 'reader.example', NULL, '2026-11-19 07:00:00.000000', '2026-11-19 07:00:01.000000', '2026-11-29 07:00:01.000000');
INSERT INTO hub_deliveries (subscription_id, changes, due_at, attempts, holder, owed_at, delivered_at, status, error) VALUES (2, 5, NULL, 0, NULL, NULL, '2026-11-20 07:30:02.000000', 204, NULL);

INSERT INTO followed_feeds (id, source, feed, hub, topic, token, secret, state, due_at, attempts, holder, asked_at, verified_at, expires_at, error, created_at) VALUES (3, 'agency', 'https://agency.example/news', 'https://hub.example/', 'https://agency.example/news.atom', 't1', 's1', 'active', '2026-11-28 07:30:00.000000', 0, NULL, '2026-11-20 07:30:01.000000', '2026-11-20 07:30:02.000000', '2026-11-30 07:30:02.000000', NULL, '2026-11-20 07:30:00.000000');
INSERT INTO feed_calls (source, feed, calls, due_at, attempts, holder, called_at) VALUES ('agency', 'https://agency.example/news', 2, NULL, 0, NULL, '2026-11-20 08:00:00.000000');

INSERT INTO limits (key, arrival_at, turn_at, granted_at, spacing, factor, pressed_at, paused_until, strikes, failures, reason, first_at, day, taken, updated_at) VALUES ('domain:mail.example', '2026-11-20 07:30:01.000000', '2026-11-20 07:35:01.000000', NULL, 0.005, 0.5, '2026-11-20 07:30:00.000000', '2026-11-20 07:31:00.000000', 1, 0, '421 4.7.0', NULL, 0, 0, '2026-11-20 07:30:01.000000');
INSERT INTO limits (key, arrival_at, turn_at, granted_at, spacing, factor, pressed_at, paused_until, strikes, failures, reason, first_at, day, taken, updated_at) VALUES ('relay:main', NULL, NULL, '2026-11-20 07:30:01.000000', 0.005, 1.0, NULL, NULL, 0, 0, NULL, '2026-11-19 07:30:00.000000', 1, 250, '2026-11-20 07:30:01.000000');
INSERT INTO relay_seats (relay, holder, wanted, seats) VALUES ('main', 'host/1/x', 10, 10);

UPDATE issues SET made_with = '{"key":"k1","message_domain":"courier.example","public_url":"https://courier.example","return_path":null,"sender":"news@courier.example"}' WHERE id = 1;
UPDATE editions SET plan = '{"articles":[1],"corrections":[],"headlines":[],"more":0}' WHERE id = 1;
INSERT INTO issue_events (id, issue_id, at, event, "by", detail) VALUES (1, 1, '2026-11-19 07:31:00.000000', 'edited', 'editor', '{"edits":{"subject":"The old crane"}}');

INSERT INTO issues (id, digest, period, state, reason, subject, max_seq, recipients, composed_at, started_at, finished_at, final_counts) VALUES (4, 'sport', 'daily/2026-11-19', 'finished', NULL, 'Sport Courier: The regatta', 1, 1, '2026-11-19 07:30:00.000000', '2026-11-19 07:30:01.000000', '2026-11-19 07:30:09.000000', NULL);
INSERT INTO editions (id, issue_id, key, language, subject, articles, message, recipients, composed_at) VALUES (3, 4, 'e1', 'en', 'Sport Courier: The regatta', '[{"id":1,"role":"full","version":1}]', X'5375626A6563743A20C3A90D0A0D0A00FF', 1, '2026-11-19 07:30:00.000000');
INSERT INTO joint_editions (id, issue_id, parts, language, subject, message, recipients, composed_at) VALUES (1, 1, '1+3', 'en', 'Morning Courier and Sport Courier: The old crane', X'5375626A6563743A20C3A90D0A0D0A00FF', 1, '2026-11-19 07:30:00.000000');
UPDATE deliveries SET joined_to = 1, joint_edition_id = 1 WHERE id = 1;
INSERT INTO deliveries (id, issue_id, edition_id, cohort_id, subscriber_id, state, reason, attempts, due_at, holder, marked_at, finished_at, relay, reply_code, reply, resolved, joined_to, joint_edition_id) VALUES (3, 4, 3, NULL, 1, 'accepted', NULL, 1, '9999-01-01 00:00:00.000000', 'host/1/x', '2026-11-19 07:30:01.000000', '2026-11-19 07:30:02.000000', '127.0.0.1:25', 250, '2.0.0 queued as 9F', FALSE, 1, 1);

UPDATE issues SET local_day = '2026-11-19' WHERE id = 1;

UPDATE subscriptions SET paused_until = '2026-12-24 00:00:00.000000' WHERE id = (SELECT min(id) FROM subscriptions);

INSERT INTO address_changes (id, subscriber_id, email, email_key, email_hash, domain, created_at, done_at, reverts) VALUES (1, (SELECT min(id) FROM subscribers), 'ann.new@example.net', 'ann.new@example.net', 'a0', 'example.net', '2026-11-20 08:00:00.000000', '2026-11-20 09:00:00.000000', NULL);

INSERT INTO address_changes (id, subscriber_id, email, email_key, email_hash, domain, created_at, done_at, reverts) VALUES (2, (SELECT min(id) FROM subscribers), 'ann@example.org', 'ann@example.org', 'a1', 'example.org', '2026-11-20 09:00:00.000000', NULL, 1);

UPDATE confirmations SET address_change_id = 1 WHERE id = (SELECT min(id) FROM confirmations);

INSERT INTO form_limits (key, arrival_at) VALUES ('network:0123456789abcdef0123456789abcdef', '2026-11-20 08:12:00.000000');

INSERT INTO reader_salts (day, salt) VALUES ('2026-11-20', '00112233445566778899aabbccddeeff');

INSERT INTO feed_readers (feed, day, sketch, readers, updated_at) VALUES ('all', '2026-11-20', X'00FF', 12, '2026-11-20 08:00:00.000000');

INSERT INTO announced_readers (feed, day, reader, subscribers) VALUES ('all', '2026-11-20', 'Feedbin 812', 41);

INSERT INTO bounces (id, fingerprint, issue_id, subscriber_id, cls, action, status, code, text, final, counted, certain, sent_at, at, message) VALUES (1, 'f0', 1, 1, 'soft', 'failed', '5.2.2', 552, '552 5.2.2 mailbox full', true, true, true, '2026-11-20 08:00:01.000000', '2026-11-20 08:00:05.000000', X'46726F6D3A20C3A90A0A00FF');

INSERT INTO operators (id, name, role, password_hash, totp_secret, totp_step, recovery, disabled, failures, locked_until, created_at) VALUES (1, 'maria', 'owner', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA', 'JBSWY3DPEHPK3PXP', 58000000, '["a1"]', FALSE, 1, '2026-11-19 08:15:00.000000', '2026-11-19 07:00:00.000000');
INSERT INTO operator_sessions (id, operator_id, created_at, expires_at) VALUES ('5f', 1, '2026-11-19 08:00:00.000000', '2026-11-19 20:00:00.000000');
INSERT INTO audit (id, at, operator, action, about) VALUES (1, '2026-11-19 08:00:00.000000', 'maria', 'issue paused', 'issue 1');

INSERT INTO api_tokens (id, name, token_hash, scopes, created_at, expires_at, last_used_at) VALUES (1, 'cms', 'a0b1', '["articles:write"]', '2026-11-19 07:00:00.000000', NULL, '2026-11-20 08:00:00.000000');

INSERT INTO api_requests (token_id, key, fingerprint, began_at, held_until, status, answer) VALUES (1, 'k-1', 'f0', '2026-11-20 08:00:00.000000', '2026-11-20 08:01:00.000000', 201, '{"id":"a"}');

INSERT INTO webhook_messages (id, webhook, event, payload, subscriber_id, state, created_at, due_at, attempts, holder, finished_at, status, error) VALUES (1, 'crm', 'confirmed', '{"digest":"morning","subscriber_id":1}', 1, 'owed', '2026-11-20 08:00:00.000000', '2026-11-20 08:05:00.000000', 1, NULL, NULL, 503, 'it answered 503');

INSERT INTO webhook_attempts (id, message_id, at, milliseconds, status, error) VALUES (1, 1, '2026-11-20 08:00:01.000000', 12, 503, 'it answered 503');

INSERT INTO hook_calls (hook, key, at) VALUES ('ses', 'a1b2', '2026-11-20 08:00:05.000000');

UPDATE subscribers SET name_key = lower(name);
