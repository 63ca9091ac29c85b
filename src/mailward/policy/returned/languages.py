# ruff: noqa: E501 (patterns are easier to check uncut; the letters are those of the languages)
"""The same in other languages, as large providers and localised servers write it."""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str], ...] = (
    (
        "full",
        r"postfach (?:des empf[äa]ngers |ist )?(?:ist )?(?:voll|[üu]berf[üu]llt)|speicherplatz[^.]{0,40}(?:ersch[öo]pft|[üu]berschritten|voll)|kontingent[^.]{0,30}[üu]berschritten|"
        r"bo[îi]te (?:aux lettres|de r[ée]ception|mail)?[^.]{0,60}(?:pleine|satur[ée]e)|quota[^.]{0,30}(?:d[ée]pass[ée]|atteint)|"
        r"buz[óo]n[^.]{0,40}(?:lleno|llena|cuota|excedid)|casilla[^.]{0,40}llena|cuota[^.]{0,30}excedid|casella[^.]{0,40}piena|caixa (?:postal|de (?:correio|entrada))[^.]{0,40}cheia|cota[^.]{0,30}excedid|"
        r"postvak[^.]{0,40}vol\b|mailbox[^.]{0,20} vol\b|(?:brevl[åa]da|postkasse|postl[åa]da)[^.]{0,30}full|sähköpostilaatikko[^.]{0,30}täynnä|postilaatikko[^.]{0,30}täynnä|"
        r"ящик[^.]{0,60}(?:переполнен|заполнен)|превышен[аоы]?[^.]{0,40}(?:квот|лимит)|メールボックス[^。]{0,30}(?:いっぱい|満杯|容量)|容量[^。]{0,20}(?:超過|超え|オーバー)|"
        r"(?:邮箱|信箱|郵箱|收件箱)[^。]{0,30}(?:已满|已滿|空间不足|容量不足)|超出[^。]{0,10}(?:配额|容量)|메일함[^.]{0,30}(?:가득|꽉|용량)|용량[^.]{0,20}초과|skrzynk[ai][^.]{0,40}(?:pełn|przepełnion)|posta kutusu[^.]{0,30}dolu|kota[^.]{0,20}aş",
    ),
    (
        "spam",
        r"als spam|comme (?:du )?spam|como spam|come spam|spam olarak|спам|迷惑メール|スパム|垃圾邮件|垃圾郵件|스팸|pourriel|courrier ind[ée]sirable",
    ),
    (
        "disabled",
        r"(?:konto|postfach|benutzer|empf[äa]nger)[^.]{0,40}(?:gesperrt|deaktiviert|inaktiv|stillgelegt)|compte[^.]{0,40}(?:d[ée]sactiv[ée]|suspendu|bloqu[ée])|(?:cuenta|usuario|buz[óo]n)[^.]{0,40}(?:desactivad|suspendid|bloquead|inhabilitad|deshabilitad)|"
        r"(?:conta|usu[áa]rio|caixa)[^.]{0,40}(?:desativad|desabilitad|suspens|bloquead|inativ)|(?:casella|account|utente)[^.]{0,40}(?:disabilitat|sospes|disattivat|bloccat)|gedeactiveerd|geblokkeerd|"
        r"(?:ящик|аккаунт|учетная запись|пользователь)[^.]{0,60}(?:заблокирован|отключен|неактив|деактивирован)|(?:账号|帐号|帳號|账户|用户|邮箱)[^。]{0,20}(?:冻结|停用|禁用|锁定|封)|konto[^.]{0,30}zablokowan",
    ),
    (
        "no_domain",
        r"(?:dom[äa]ne|domain|rechnername|host)[^.]{0,60}(?:existiert nicht|nicht gefunden|unbekannt)|domaine[^.]{0,60}(?:n'existe pas|introuvable|inconnu)|dominio[^.]{0,60}(?:no existe|no (?:se ha )?encontrad|non esiste|inesistente|sconosciuto)|dom[íi]nio[^.]{0,60}(?:n[ãa]o existe|n[ãa]o (?:foi )?encontrado|inexistente)|"
        r"домен[^.]{0,60}не (?:существует|найден)|ドメイン[^。]{0,30}(?:存在しま|見つかり)|域名[^。]{0,20}(?:不存在|无法|未找到)|도메인[^.]{0,30}(?:존재하지|찾을 수)",
    ),
    (
        "no_mailbox",
        r"(?:benutzer|empf[äa]nger|postfach|adresse|e-?mail-?adresse|mailadresse|teilnehmer|konto|adressat)[^.]{0,60}(?:existiert nicht|nicht (?:existent|gefunden|bekannt|vorhanden|zugestellt werden, da .{0,20}unbekannt|mehr g[üu]ltig|mehr vorhanden|mehr aktuell|mehr erreichbar)|unbekannt|ung[üu]ltig|gibt es nicht)|unbekannte(?:r|s)? (?:empf[äa]nger|benutzer|adresse|user)|ung[üu]ltige (?:empf[äa]nger|e-?mail|mail)|wurde (?:die|ihre) adresse .{0,40}nicht gefunden|kein (?:benutzer|postfach|mitglied)\b|"
        r"(?:utilisateur|destinataire|adresse|compte|bo[îi]te)[^.]{0,60}(?:n'existe (?:pas|plus)|inconnu|introuvable|inexistant|non valide|invalide|n'a pas [ée]t[ée] trouv|n'est (?:pas|plus) (?:valide|connu|attribu))|n'existe pas chez|destinataire inconnu|pas de (?:bo[îi]te|compte|destinataire)|"
        r"(?:usuario|destinatario|direcci[óo]n|buz[óo]n|cuenta|casilla)[^.]{0,60}(?:no existe|desconocid|no (?:se ha |fue |ha sido |se )?encontr|inexistente|inv[áa]lid|no es v[áa]lid|no v[áa]lid)|usuario desconocido|no existe (?:el|la|ese|este|esa|esta|dich[oa])? ?(?:usuario|persona|buz[óo]n|cuenta|direcci[óo]n)|"
        r"(?:utente|destinatario|casella|indirizzo|account)[^.]{0,60}(?:non (?:esiste|esistente|trovat|valid|corrett|[èe] stat[oa] trovat)|sconosciut|inesistente|inesist)|utente sconosciuto|nessun utente (?:simile|con)|"
        r"(?:usu[áa]rio|destinat[áa]rio|endere[çc]o|caixa|conta)[^.]{0,60}(?:n[ãa]o existe|n[ãa]o (?:foi )?encontrad|desconhecid|inexistente|inv[áa]lid|n[ãa]o [ée] v[áa]lid)|"
        r"(?:gebruiker|ontvanger|postvak|adres|e-mailadres|mailbox)[^.]{0,60}(?:bestaat niet|onbekend|niet (?:gevonden|bekend|geldig)|ongeldig)|onbekende (?:gebruiker|ontvanger)|"
        r"(?:anv[äa]ndaren|mottagaren|adressen|brevl[åa]dan|kontot)[^.]{0,60}(?:finns inte|existerar inte|ok[äa]nd|hittades inte|ogiltig)|ok[äa]nd (?:anv[äa]ndare|mottagare)|(?:brugeren|modtageren|adressen|postkassen|brukeren|mottakeren)[^.]{0,60}(?:findes ikke|finnes ikke|eksisterer ikke|ukendt|ukjent|blev ikke fundet|ble ikke funnet|ugyldig)|ukendt (?:bruger|modtager)|ukjent (?:bruker|mottaker)|"
        r"(?:k[äa]ytt[äa]j[äa]|vastaanottaja|osoite|postilaatikko|tunnus)\w{0,4}[^.]{0,60}(?:ei ole olemassa|ei l[öo]ydy|tuntematon|ei l[öo]ytynyt|virheellinen)|tuntematon (?:k[äa]ytt[äa]j[äa]|vastaanottaja)|"
        r"(?:пользовател|получател|адресат|ящик|адрес|аккаунт)\w{0,5}[^.]{0,60}(?:не (?:существует|найден|зарегистрирован|известен)|неизвест|отсутствует|удал[её]н|недействителен)|нет такого (?:пользователя|ящика|адреса)|неизвестн\w{1,4} (?:пользователь|получатель|адрес)|несуществующ\w{1,4} (?:пользовател|ящик|адрес|получател)|"
        r"(?:ユーザー?|宛先|受信者|メールアドレス|アドレス|アカウント|メールボックス)[^。]{0,40}(?:存在しま|存在しない|見つかり|見当たり|不明|ありません|登録されて(?:い|お)|無効|間違)|宛先不明|該当(?:する)?(?:ユーザ|アドレス)[^。]{0,20}(?:ありません|いません)|"
        r"(?:用户|收件人|收信人|邮箱|帐号|账号|帳號|地址|信箱|用戶|收件者|使用者)[^。]{0,30}(?:不存在|无效|無效|未找到|找不到|没有找到|有误|錯誤|未注册|已注销|不正确)|不存在(?:的|该)?(?:用户|邮箱|收件人|地址)|查无此(?:人|用户)|没有此?(?:用户|邮箱)|無此(?:用戶|帳號|使用者|信箱)|"
        r"(?:사용자|수신자|받는 ?사람|메일 ?주소|계정|주소|메일박스|수신인|아이디)[^.]{0,40}(?:존재하지|없습니다|없는|찾을 수 없|알 수 없|잘못|올바르지)|존재하지 않는 (?:사용자|계정|메일|주소|수신)|없는 (?:사용자|계정|주소)|"
        r"(?:u[żz]ytkownik|adresat|odbiorca|skrzynka|adres|konto|konta)\w{0,3}[^.]{0,60}(?:nie istnieje|nieznan|nie (?:zosta[łl]\w? )?(?:znalezion|odnalezion)|nieprawid[łl]ow|nie ma)|nieznany (?:u[żz]ytkownik|adresat|odbiorca)|nie ma takiego|"
        r"(?:kullan[ıi]c[ıi]|al[ıi]c[ıi]|adres|posta kutusu|hesap)\w{0,4}[^.]{0,60}(?:bulunamad|mevcut de[ğg]il|yok\b|bilinmiyor|ge[çc]ersiz|tan[ıi]nm)|b[öo]yle bir (?:kullan[ıi]c[ıi]|adres|hesap)",
    ),
    (
        "system",
        r"sp[äa]ter (?:noch ?mal|erneut)|r[ée]essa(?:yer|i) (?:plus tard|ult[ée]rieurement)|m[áa]s tarde|pi[ùu] tardi|mais tarde|позже|しばらく|後ほど|稍后|稍後|나중에|p[óo][źz]niej|daha sonra|opnieuw proberen",
    ),
)  # fmt: skip

TEXTS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern), cause) for cause, pattern in _TABLE)
