"""What mail servers say in other languages, put into the English words that ``core.outcomes`` knows.

A row is whom or what it is about, and what is said of it, as servers write it; adding a language is adding rows.
Letters are written here without their marks, since servers leave them out at will (``plain``).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_GAP: Final = ".{0,60}?"

# (about, said), a language a line.
_UNKNOWN: Final = (
    (  # German
        r"benutzer|empf(a|ae)nger|adresse|adressat|teilnehmer|konto|postfach|mailbox",
        r"unbekannt|existiert nicht|nicht (bekannt|gefunden|vorhanden|gultig)|ung(u|ue)ltig|deaktiviert|gesperrt",
    ),
    (r"unbekannter|kein(en)? (solchen|solcher)|ung(u|ue)ltige[rs]?", r"benutzer|empf(a|ae)nger|adresse"),
    (
        r"(e-?mail|nachricht|adresse|empf(a|ae)nger)",
        r"(konnte|wurde) nicht gefunden|nicht mehr (gultig|aktiv|erreichbar)",
    ),
    (  # French
        r"utilisateur|destinataire|adresse|compte|boite",
        r"inconnue?|inexistante?|introuvable|invalide|desactivee?|n'existe (pas|plus)(?! ou)|n'a pas ete trouve",
    ),
    (  # Spanish
        r"usuario|destinatario|direccion|cuenta|buzon",
        r"desconocid[oa]|inexistente|invalid[oa]|no (existe|encontrad[oa]|valid[oa])|desactivad[oa]|no se encontr",
    ),
    (  # Italian
        r"utente|destinatario|indirizzo|casella|account",
        r"sconosciut[oa]|inesistente|non (esiste|valido|trovat[oa])|disattivat[oa]",
    ),
    (  # Portuguese
        r"usuario|utilizador|destinatario|endereco|conta|caixa",
        r"desconhecid[oa]|inexistente|nao (existe|encontrad[oa]|foi encontrad[oa])|invalid[oa]|desativad[oa]",
    ),
    (r"gebruiker|ontvanger|adres|postvak|mailbox", r"onbekend|bestaat niet|niet gevonden|ongeldig"),  # Dutch
    (r"uzytkownik|adres|odbiorca|skrzynka", r"nieznany|nie istnieje|nie znaleziono"),  # Polish
    (r"uzivatel|adresa|schranka|prijemce", r"neznam|neexistuje|nenalezen"),  # Czech
    (r"bruger|modtager|adresse", r"ukendt|findes ikke"),  # Danish
    (r"anvandare|mottagare|adress", r"okand|finns inte|hittades inte"),  # Swedish
    (r"bruker|mottaker|adresse", r"ukjent|finnes ikke"),  # Norwegian
    (r"vastaanottaja|osoite|kayttaja", r"tuntematon|ei (ole|loydy)"),  # Finnish
    (r"kullanici|adres|alici", r"bulunamadi|bilinmiyor|mevcut degil"),  # Turkish
    (r"felhasznalo|cimzett|cim", r"ismeretlen|nem (letezik|talalhato)"),  # Hungarian
    (r"пользовател|получател|адрес|ящик", r"не (существует|найден|известен)|неизвестен|отключен|заблокирован"),
    (r"нет|немає", r"(такого|такої) (пользователя|адреса|користувача|ящика)"),
    (r"користувач|одержувач|адрес", r"не (знайдено|існує)|невідом"),
    (r"χρηστης|παραληπτης|διευθυνση|χρήστης|παραλήπτης|διεύθυνση", r"άγνωστ|δεν (υπάρχει|βρέθηκε)"),
    (
        r"宛先|あて先|ユーザ|アドレス|ディレクトリ|メールボックス|受信者",
        r"不明|見つかりません|見つかりませんでした|存在しません|リストにありません|ありません|無効|間違",
    ),
    (r"存在しない|該当する", r"アドレス|ユーザ|宛先"),
    (r"收件人|用户|用戶|邮箱|郵箱|帐号|帳號|地址", r"不存在|未知|无效|無效|不正确|找不到"),
    (r"사용자|수신자|받는 사람|주소|계정", r"없|알 수 없|존재하지 않|찾을 수 없"),
    (r"المستخدم|المستلم|العنوان|البريد", r"غير موجود|غير معروف|لا يوجد"),
    (r"הנמען|המשתמש|הכתובת|תיבת", r"לא (קיים|קיימת|נמצא|נמצאה|ידוע)|אינו קיים|אינה קיימת"),
)
_FULL: Final = (
    (r"postfach|mailbox|speicher|kontingent|quota", r"voll|(u|ue)berschritten|ersch(o|oe)pft|ausgesch(o|oe)pft"),
    (r"boite|quota|espace", r"pleine?|depassee?|saturee?|insuffisant"),
    (
        r"buzon|cuota|casilla|casella|caixa|quota|cota",
        r"llen[oa]|excedid[oa]|piena|cheia|superat[oa]|superad[oa]|lotad[oa]",
    ),
    (r"postvak|mailbox", r"\bvol\b|overschreden"),
    (r"skrzynka|schranka|postluda", r"pelna|przepelniona|plna|taynna"),
    (r"ящик|квот", r"переполнен|превышен|заполнен|переповнен"),
    (r"メールボックス|容量|受信箱|クォータ|ディスク", r"いっぱい|一杯|超え|超過|オーバー|満杯|不足"),
    (r"邮箱|郵箱|信箱|空间|容量", r"已满|已滿|不足|超出|满"),
    (r"사서함|메일함|용량", r"가득|초과"),
    (r"صندوق|البريد", r"ممتلئ"),
    (r"תיבת|תיבה", r"מלאה|מלא"),
)
_LARGE: Final = (
    (r"nachricht|e-?mail|message|mensaje|messaggio|bericht|mensagem", r"zu gro(ss|\b)|trop (gros|volumineu)"),
    (r"mensaje|messaggio|bericht|mensagem|wiadomosc", r"demasiado grande|troppo grande|te groot|muito grande|za duza"),
    (r"メッセージ|サイズ", r"大きすぎ|制限を超え|上限を超え"),
    (r"邮件|郵件", r"过大|太大|過大"),
    (r"сообщение|письмо", r"слишком большо"),
)
_POLICY: Final = (
    (r"abgelehnt|zur(u|ue)ckgewiesen|gesperrt|als|wegen", r"spam|richtlinie|sperrliste|blacklist|reputation"),
    (r"refuse|rejete|bloque|comme|selon|liste", r"\bspam|pourriel|liste noire|noire|politique|reputation"),
    (r"rechazad|bloquead|como|lista|por", r"\bspam|correo no deseado|negra|politica"),
    (r"rifiutat|considerat|bloccat|lista", r"\bspam|nera|criteri di sicurezza|politica"),
    (r"迷惑メール|スパム|ポリシー|ブラックリスト|拒否リスト", r""),
    (r"垃圾邮件|垃圾郵件|黑名单|黑名單|스팸|спам|ч[её]рн(ый|ом) спис", r""),
)
_NO_DOMAIN: Final = (
    (r"doma(i|e)?ne?|domaene", r"existiert nicht|nicht gefunden|unbekannt|inconnue?|introuvable|n'existe"),
    (r"dominio", r"no existe|desconocido|non esiste|inesistente|nao existe"),
    (r"ドメイン", r"存在しません|見つかりません|不明"),
    (r"домен", r"не (найден|существует)"),
    (r"域名", r"不存在|错误|錯誤"),
)
_MEANINGS: Final = (
    ("user unknown", _UNKNOWN),
    ("mailbox full", _FULL),
    ("message too large", _LARGE),
    ("blocked as spam by policy", _POLICY),
    ("domain not found", _NO_DOMAIN),
)


def _row(about: str, said: str) -> str:
    return f"(?:{about})" + (f"{_GAP}(?:{said})" if said else "")


_KNOWN: Final = tuple(
    (english, re.compile("|".join(_row(*row) for row in rows), re.IGNORECASE)) for english, rows in _MEANINGS
)


def _without_marks() -> dict[int, str]:
    table = {0x131: "i", 0x142: "l", 0xF8: "o", 0xDF: "ss", 0x2019: "'"}
    for number in range(0xC0, 0x250):
        base = unicodedata.normalize("NFD", chr(number))[0]
        if base.isascii():
            table.setdefault(number, base)
    return table


_MARKS: Final = _without_marks()


def plain(text: str) -> str:
    """A text with the Latin letters of other languages as ASCII ones."""
    return text if text.isascii() else text.translate(_MARKS)


def in_english(text: str) -> str:
    """A server's words, followed by the English for what is recognised in them."""
    bare = plain(text)
    said = [english for english, pattern in _KNOWN if pattern.search(bare)]
    return f"{text} ({'; '.join(said)})" if said else text
