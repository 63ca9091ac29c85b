# ruff: noqa: E501 (patterns are easier to check uncut; the letters are those of the languages)
"""What kind of mail it is, before anything is read into it: a bounce, a delay, an automatic answer, a challenge.

Bounces are looked for first: many servers mark theirs as automatic answers, none of the absent says "Mailer-Daemon".
"""

from __future__ import annotations

import re

DAEMONS = re.compile(
    r"mailer[-_. ]?daemon|mail[-_. ]?daemon|maildaemon|postmaster|mail delivery (?:sub)?system|mail delivery service|delivery (?:subsystem|system|agent)|mail system|mail administrator|"
    r"system administrator|systemadministrator|microsoft (?:outlook|exchange)|internet mail (?:delivery|connector)|mdaemon|mailadmin|mail ?router|mail gateway|mail-?delivery|bounce|"
    r"administrador del sistema|amministratore|administrateur|systemverwaltung|mailbot|mail transfer|message transfer|\bmmdf\b|\bmta\b|\bsmtp|delivery-failure|no-?reply@(?:.*\.)?(?:google|gmail|yahoo)|"
    r"mail delivery|mailsweeper|mailmarshal|admin@|exchange|uucp|root@|mimecast|notes admin|système|delivery report|noreply-dmarc|qq\.com 系统|系统退信|postamt|undeliver",
    re.IGNORECASE,
)
SUBJECTS = re.compile(
    r"undeliver|un-deliver|not deliver|non[- ]?deliver|could ?n[o']t (?:be )?(?:sen[dt]|deliver)|delivery (?:status|fail|error|problem|report|notification|has failed|unsuccess|incomplete|attempt)|fail(?:ed|ure)[^a-z]{0,3} ?(?:notice|delivery|mail|to deliver|message|recipient|address)?|"
    r"return(?:ed|ing)[: ](?:mail|to|message|e-?mail|your)|mail (?:delivery|system|status|failure|error|returned|could not)|message (?:delivery|status|not|undeliverable|could not|you sent)|bounced?\b|rejected|problem delivering|unable to deliver|warning|delay|nondeliverable|user unknown|unknown (?:user|address)|unzustellbar|nicht zustell|zustell(?:ung|fehler)|unzustellbare|fehlgeschlagen|zur[üu]ckgewiesen|"
    r"non remis|non distribu|[ée]chec|non livr|retour[n]?[ée]? (?:de|[àa])|no entreg|no se (?:pudo|puede|ha podido) entregar|error (?:al|en|de) (?:la )?entrega|devuelto|n[ãa]o entregue|falha|erro n[ao] entrega|devolvid|mancata consegna|non recapit|recapito|impossibile (?:recapitare|consegnare)|onbestelbaar|niet (?:be|af)|oleverer|kan inte leverera|ikke lever|ulevert|uleveret|uanbringelig|toimittaminen|ei toimit|palautettu|"
    r"не ?доставлен|невозможно доставить|недоставлен|возвра|配信(?:不能|エラー|でき|失敗)|送信(?:エラー|でき|失敗)|届け|返送|エラーメール|退信|退件|无法(?:送达|投递|发送)|無法(?:傳遞|投遞|送達)|投递失败|发送失败|系统退信|반송|전송 ?실패|전달되지|배달 ?실패|발송 ?실패|niedostarcz|nie dostarcz|zwrot|nie mo[żz]na dostarczy|iletilemedi|teslim edilemedi|g[öo]nderilemedi|kézbesít|nedoru[čc]|nelze doru",
    re.IGNORECASE,
)
OPENINGS = re.compile(
    r"failed recipients|error during delivery|address(?:es)? failed|this is the (?:qmail|mail system|postfix|mail delivery|machine generated|mailer)|hi\. this is the|i(?:'m| was) (?:sorry to have to inform|afraid i wasn't able|not able to deliver|unable to deliver)|message (?:that you sent|you sent) could not be delivered|could not be delivered|could not deliver|was not delivered|wasn't delivered|has not been delivered|permanent(?:ly)? (?:fatal )?(?:error|fail)|"
    r"did not reach|delivery to the following|following (?:recipient|address|user|error|message)|original message was received|couldn't be delivered|not able to deliver|unable to deliver|undeliverable|undelivered|returned to (?:you|sender)|cannot be delivered|can't be delivered|delivery has failed|failed to deliver|address not found|message blocked|message not delivered|"
    r"nicht zugestellt|konnte nicht|n'a pas pu [êe]tre|impossible de|no (?:se )?(?:pudo|puede|ha sido posible|ha podido)|non [èe] stato possibile|non pu[òo] essere|n[ãa]o (?:p[ôo]de|foi poss[íi]vel)|kon niet|kunde inte|kunne ikke|ei voitu|не может быть доставлено|не удалось доставить|не было доставлено|配信できません|届けできません|送信できません|送達できません|無法|无法|退回|배달할 수 없|전송할 수 없|전달할 수 없|보낼 수 없|nie (?:mo[żz]e|mog[łl]a|zosta[łl]a)|iletilem|teslim edilem",
    re.IGNORECASE,
)
DELAY_SUBJECTS = re.compile(
    r"delay|still being retried|warning: (?:could not send|message|unable)|(?:could not send|not yet|temporar)|verz[öo]ger|retard[ée]|retrasad|demorad|ritard|atras|vertraag|fördröj|forsink|viiväst|задерж|отложен|遅延|延迟|延遲|지연|op[óo][źz]nion|gecik",
    re.IGNORECASE,
)
DELAY_TEXTS = re.compile(
    r"this is a warning message only|you do not need to re-?send|no action is required on your part|has not (?:yet )?been delivered|not yet been delivered|will (?:continue to|keep|be) (?:re)?tr(?:y|ied|ying)|delivery attempts will continue|still (?:trying|being retried|attempting)|will (?:be )?retr(?:y|ied)|will try (?:again|for|until)|delivery is delayed|message (?:is|has been|was) delayed|will be retried|has been delayed|warning: message still undelivered|temporary problem delivering|gmail will retry|incomplete delivery|"
    r"wird weiterhin versucht|weitere zustellversuche|wird (?:noch )?nicht zur[üu]ck|nouvelle tentative|se seguir[áa] intentando|ulteriori tentativi|novas tentativas",
    re.IGNORECASE,
)
GIVEN_UP = re.compile(
    r"giv(?:e|ing|en) up|permanent|final|has failed|have failed|failed permanently|not going to try|will not be (?:re)?tr|returned|undeliverable|could not be delivered|can(?:not|'t) be delivered",
    re.IGNORECASE,
)
AUTO_SUBJECTS = re.compile(
    r"out of (?:the )?office|ooo\b|auto(?:matic|mated|matisch\w*)?[- ]?(?:re(?:ply|sponse|sponder)|answer|antwort|reply|message)|autoreply|autosvar|automatic[ck]?[aáo]?l?[yaemnt]*[: ]|vacation|holiday|on leave|away from|absence|abwesen|automatische|au[ßs]er haus|nicht im (?:b[üu]ro|hause)|r[ée]ponse automatique|absen[ct]e?|absent|cong[ée]s?|respuesta autom|fuera de (?:la )?oficina|ausen[ct]|vacaciones|f[ée]rias|resposta autom|fora do escrit|risposta automatica|fuori (?:sede|ufficio)|ferie|assen[tz]|afwezig|automatisch antwoord|niet aanwezig|frånvaro|autosvar|semester|fravær|ferie|poissa|loma|automaattinen|автоответ|отпуск|отсутств|вне офиса|автоматический ответ|不在|自動(?:返信|応答)|休暇|自动(?:回复|答复)|自動(?:回覆|回復)|外出|休假|부재|자동 ?(?:응답|회신)|휴가|autoodpowied|nieobecno|urlop|otomatik yan[ıi]t|izin|ofis d[ıi][şs][ıi]nda|thank you for (?:your|contacting)|we (?:have )?received your|ticket|\[?case|your (?:request|inquiry|message) (?:has been|was) received|acknowledg|no longer (?:with|at|works?|employed|monitored)|changed? (?:my |of )?(?:e-?mail )?address|new (?:e-?mail )?address|\bre: |\baw: ",
    re.IGNORECASE,
)
ABSENT = re.compile(
    r"\b(?:i am|i'm|i will be|i'll be) (?:currently |presently |away|out|on |not in|travel)|out of (?:the )?office|on (?:annual |maternity |parental |sick )?(?:leave|vacation|holiday)|will (?:respond|reply|get back|answer) (?:to|as|when|upon|on)|ich bin (?:derzeit|zur ?zeit|vom|bis|ab|nicht)|je suis (?:actuellement |absent|en cong)|estar[ée] (?:fuera|ausente)|estou (?:de f|ausente)|sono (?:assente|in ferie|fuori)|afwezig|return(?:ing)? (?:to the office )?on|no longer (?:work|employ|with the)|automated (?:response|reply)|auto-?repl|automatic reply|this (?:mailbox|address|account) is (?:not|no longer) monitored|unmonitored",
    re.IGNORECASE,
)
CHALLENGES = re.compile(
    r"confirm (?:that you sent|your (?:message|e-?mail|mail|delivery)|that you are|you are|this message|by (?:replying|clicking))|(?:please |to )?(?:click|visit|follow|reply)[^.]{0,120}(?:to|and) (?:confirm|verify|prove|release|authenticate|authori[sz]e|deliver|be added)|boxtrapper|spam ?arrest|tmda|choicemail|uol antispam|antispam uol|spamfighter challenge|0spam|mailblocks|knowspam|qurb|"
    r"challenge[- ]response|sender (?:address )?(?:verification|validation|authentication|confirmation)|verify (?:that )?(?:you|your (?:e-?mail|address|message|identity))|request(?:ing)? (?:permission|to be added|confirmation|verification)|one[- ]time (?:confirmation|verification|request)|suspect ?email|autoris(?:er|ez)|allow(?:ed)? senders? list|approved senders?|whitelist(?:ed)? (?:you|sender|yourself)|confirma(?:r|tion|ción|ção) (?:de |of |required|request)|bitte best[äa]tigen|mail in block|vous n'[êe]tes pas (?:encore )?autoris|validation de votre|подтвердите|(?:antispam|anti-spam) (?:system|filter|verification)|prove (?:that )?you(?:'re| are) (?:not|human|a )|human",
    re.IGNORECASE,
)
# Phrases of the first line of a challenge: enough by themselves, even from a daemon.
CHALLENGE_SUBJECTS = re.compile(
    r"(?:your )?(?:e-?mail|message|mail)[^.]{0,20}(?:requires|needs|awaits|pending) (?:confirmation|verification|approval|your)|please (?:confirm|verify)|confirm (?:your|e-?mail|message)|verif(?:y|ication) (?:your|required|request|needed|of)|confirmation (?:required|request|needed|of)|boxtrapper|challenge|spam ?arrest|action required to deliver|authorize|request for (?:permission|confirmation)|\[tmda\]|antispam|sender (?:verification|validation)|best[äa]tigung erforderlich|confirmação|demande de confirmation",
    re.IGNORECASE,
)
COMPLAINTS = re.compile(
    r"complaint about (?:a )?message|abuse report|spam (?:report|complaint)|feedback (?:loop )?report|email feedback report|junk (?:mail|e-?mail) report|scomp report|this is an? (?:email )?abuse report|reported (?:this|the) (?:message|e-?mail) as (?:spam|junk)",
    re.IGNORECASE,
)
