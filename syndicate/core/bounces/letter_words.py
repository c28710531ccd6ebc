"""The words by which a letter of a mail server is known, in the languages that servers speak.

Matched against texts whose Latin letters lost their marks (``languages.plain``). What a refusal says: ``languages.py``.
"""

from __future__ import annotations

import re
from typing import Final

from syndicate.core.bounces.addresses import ADDRESS


def _any_of(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE | re.MULTILINE)


_OF_OURS: Final = r"(?:original|returned|forwarded|unsent|undelivered|your)"

#: The line under which a letter quotes our message.
COPY: Final = _any_of(
    rf"^[ \t>|]*[-=_*#]{{2,}}[^\n]{{0,10}}(?:copy of|{_OF_OURS}) (?:the |your |original )*(?:message|mail)\b[^\n]*$",
    r"^[ \t>|]*-+ ?(?:below this line|this is a copy of|message text follows|the (?:header|body|unsent))[^\n]*$",
    rf"^[ \t>|]*-+ ?{_OF_OURS} (?:message|mail)[^\n]*$",
    r"^[ \t]*(?:the )?(?:original |full )?message (?:headers?|follows|text)[^\n]{0,40}:?$",
    rf"^[ \t]*{_OF_OURS} (?:message|mail|headers?)[^\n]{{0,30}}:$",
    r"^[ \t]*-{3,}[^\n]{0,60}(?:nachricht|message d'origine|mensaje original|messaggio originale)[^\n]*$",
    r"^[ \t]*-{3,}[^\n]{0,60}(?:メッセージ|原文|邮件|郵件)[^\n]*$",
    r"^[ \t>]*(?:return-path: ?<[^\n]*|received: (?:from|by) [^\n]*)$",
)

#: From of a mail server.
MACHINE: Final = _any_of(
    r"^[\"'<\s]*(?:mail(?:er)?[-_. ]?daemon|post_?master|mail[-_. ]?delivery|mailer|mdaemon|mail[-_]?system)\b",
    r"^[\"'<\s]*(?:bounces?|returned[-_]mail)\b",
    r"^[^<@]{0,60}\b(?:mail delivery (?:sub)?system|mailer[- ]daemon|postmaster|(?:system|mail) administrator)\b",
    r"^[^<@]{0,60}\b(?:internet mail delivery|delivery (?:status|agent|subsystem))\b",
    r"^[^<@]{0,60}メール(?:配送|サーバ)",
    r"^[^<]{0,80}<(?:mail(?:er)?-daemon|post_?master|mdaemon|mail-?daemon|mailer|bounce)@",
)

#: Subject of a failure.
SUBJECT: Final = _any_of(
    r"undeliver|non[- ]?deliver|mail ?delivery|bounce|rejected|user unknown|unknown (?:user|address)|message status",
    r"deliver(?:y|ed)?[^\n]{0,30}(?:fail|status|problem|error|report|not|subsystem|delay|unsuccess|suspend|warn)",
    r"fail(?:ed|ure)[^\n]{0,20}(?:deliver|mail|notice|notif)|mail (?:could not|not|error|failed|failure|system error)",
    r"return(?:ed|ing) (?:to sender|(?:message|mail))|error sending your mail|warning: (?:could not|message)",
    r"(?:could|can) ?not (?:be )?(?:deliver|send)",
    r"nicht zugestellt|unzustellbar|zustell(?:ung|fehler)|fehlgeschlagen",
    r"non remis|non distribu|echec|no (?:se )?(?:ha podido )?entrega|no entregado|devuelto",
    r"mancata consegna|impossibile consegnare|nao entregue|falha na entrega|onbestelbaar|niet bezorgd",
    r"ej levererats|kunne ikke leveres|niedostarczon|nedoruc|kezbesites",
    r"недоставлен|не доставлен|не удалось доставить",
    r"配信(?:不能|できません|エラー|失敗)|送信(?:できません|エラー|失敗)|不達|届きません|お届けできません|エラー通知",
    r"退信|投递失败|投遞失敗|无法(?:投递|送达)|반송|전송 ?실패|תקלה במסירה|تعذر (?:تسليم|التسليم)",
)

#: How a letter begins that tells of a failure.
OPENING: Final = _any_of(
    r"(?:could not|cannot|can't|couldn't|(?:un|not )able to|wasn't able to|was not|has not been|were not|not) "
    r"(?:be )?(?:deliver|sent|relay|reach)",
    r"this is the (?:mail|qmail|postfix)[- ]?(?:system|send|program)|fatal errors|permanent (?:error|failure)",
    r"undeliverable|following (?:recipients?|addresse?s?|users?|destination)|not delivered|did not reach",
    r"error message below|trouble delivering|failed addresses|delivery (?:to|has|of|attempts?|error|fail|report)",
    r"nicht zugestellt|konnte nicht|n'a pas pu|no se pudo|no ha podido|non e stato possibile|nao (?:foi|pode)",
    r"не удалось|не было доставлено|できませんでした|届けられません|送れません|无法|未能",
)

#: It is only late, and will be tried again.
DELAY: Final = _any_of(
    r"\bwarning\b[^\n]{0,60}(?:delay|could not|not (?:yet )?(?:been )?(?:deliver|sent)|still)",
    r"this is a warning message only|do not need to resend|delay(?:ed)? (?:mail|message|delivery)|delivery delayed",
    r"will (?:keep|continue) (?:to )?try|delivery attempts will continue|transient non-fatal|has been delayed",
    r"wird weiter versucht|noch nicht zugestellt|retard de (?:remise|livraison)|配信(?:が)?遅延",
)

#: Fields of RFC 3464 that stand in a letter.
INLINE: Final = _any_of(r"^[ \t]*(?:Final-Recipient|Original-Recipient):.*$")

_LABEL: Final = (
    r"rcpt to|to|recipients?|address(?:es)?|e-?mail|user|failed|undeliverable(?: address)?|an|empf(?:a|ae)nger"
    r"|destinataire|destinatario|para|宛先|あて先|送信先|收件人|кому|адрес"
)
#: A line that begins with the address it speaks of.
HEAD: Final = _any_of(
    rf"^[ \t>*•・.:-]*(?:[45]\d\d[ -])?(?:(?:{_LABEL})\b[^\n@<]{{0,30}}?[ :\uff1a=\t]+)?"
    rf"[\"'<(\[「]*(?:smtp:|mailto:|rfc822;)?{ADDRESS.pattern}"
)
#: A command that is quoted.
RCPT: Final = _any_of(rf"\b(?:rcpt to|recipient)\s*:?\s*<?{ADDRESS.pattern}")
#: Whom a letter names so that one may ask.
SYSTEM: Final = re.compile(
    r"(?:mail(?:er)?-daemon|postmaster|mdaemon|abuse|helpdesk|support|hostmaster|root)@", re.IGNORECASE
)

#: Subject of a machine that answers for a person.
AUTOREPLY: Final = _any_of(
    r"^\W*(?:(?:re|aw|antwort|sv|vs)\s*:\s*)*\W*(?:"
    r"auto(?:matic|mated)?[ -]?(?:reply|response|re|answer)\b|out[ -]of[ -](?:the[ -])?office\b"
    r"|vacation\b|on (?:vacation|holiday|leave)\b|away from (?:my|the) (?:mail|office|desk)"
    r"|automatische (?:antwort|r(?:u|ue)ckmeldung)|abwesenheit|abwesend|ich bin (?:nicht im b(?:u|ue)ro|im urlaub)"
    r"|automatisch antwoord|afwezig|reponse automatique|absence du bureau|absent(?:\(?e\)?)? du bureau"
    r"|respuesta automatica|fuera de (?:la )?oficina|ausente|risposta automatica|fuori (?:sede|ufficio)"
    r"|resposta automatica|ausencia|autosvar|automatiskt svar|automaattinen vastaus|automatyczna odpowied"
    r"|automaticka odpov|автоответ|автоматический ответ|αυτόματη απάντηση|otomatik yanit"
    r"|自動(?:応答|返信)|不在通知|自动(?:回复|答复)|自動(?:回覆|回复)|자동 ?(?:회신|응답)|부재중"
    r"|رد تلقائي|מענה אוטומטי)"
)
