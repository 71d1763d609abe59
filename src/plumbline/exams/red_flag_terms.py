"""How red flags are written: terms of situations that cannot wait (clinical.md), in four languages.

Tables of patterns on plain text (``plain_text.plain``) and nothing else; negation is heeded by
``red_flag_text``.
"""

from __future__ import annotations

from plumbline.exams.facts import RedFlag
from plumbline.exams.plain_text import any_of, words

_WORSE = (
    r"(?:new|progressive|worsening|increasing|increased|severe|acute|worse|worsened|escalating|intractable"
    r"|neue?[rs]?|progrediente?[rs]?|zunehmende?[rs]?|starke?[rs]?|verstarkte?[rs]?|akute?[rs]?|heftige?[rs]?"
    r"|nouvelles?|nouveau|croissantes?|aggravation|majoration|majorees?|recrudescence|aggravees?|intenses?"
    r"|nuevo|progresiv[oa]|creciente|intens[oa]|empeora\w*|aument\w+|agud[oa])"
)
_PAIN = (
    r"(?:(?<!leg )(?<!arm )(?<!radicular )(?<!thigh )pain|lbp|backache|(?:rucken|kreuz|nacken)?schmerz\w*"
    r"|lumbalgie\w*|lumbago"
    r"|douleurs?|lombalgies?|rachialgies?|dorsalgies?|cervicalgies?|dolor(?:es)?|lumbalgia|dorsalgia|cervicalgia)"
)
_SINCE = r"(?:after|following|since|post|nach|seit|apres|depuis|suite a|tras|despues de|desde)"
_INTERVENTION = (
    r"(?:injections?|puncture|surgery|operation|procedure|epidural|block|ablation|fusion|tlif|plif|alif|acdf|discectomy"
    r"|microdiscectomy|laminectomy|decompression|kyphoplasty|vertebroplasty|infiltration\w*|punktion|op|spondylodese"
    r"|eingriff"
    r"|nukleotomie|dekompression|laminektomie|chirurgie|intervention|arthrodese|ponction|laminectomie|discectomie"
    r"|cirugia"
    r"|infiltracion|operacion|puncion|artrodesis|intervencion|bloqueo|laminectomia|discectomia)"
)

TERMS = {
    RedFlag.CAUDA_EQUINA: words(
        r"cauda(?: equina)?(?:-?syndrom\w*)?|kauda\w*|(?:r/o |query |suspected |possible |acute |\?)ces|ces(?=\?)"
        r"|conus[- ]?(?:syndrom\w*|compression)|queue de cheval|cola de caballo",
        r"cauda equina|saddle (?:an(?:a)?esthesia|numbness|paresthesia|hyp(?:o|a)esthesia)|reithosen\w*",
        r"an(?:a)?esthesie en selle|hypoesthesie (?:en selle|perineale)|anestesia en silla(?: de montar)?",
        r"perineal (?:numbness|an(?:a)?esthesia)|perianal numbness",
        r"(?:acute |new )?(?:urinary|urine|bladder) (?:retention|incontinence|dysfunction)",
        r"(?:bowel|fecal|faecal|stool) incontinence",
        r"(?:bladder|bowel)(?:/| and | or |& ?)(?:bowel|bladder)|sphincter \w+",
        r"harn(?:verhalt\w*|inkontinenz|retention)|blasen-?(?:storung\w*|lahmung)|blasen-?mastdarm-?\w+",
        r"stuhlinkontinenz|mastdarm\w*|retention (?:aigue )?d'urines?|retention urinaire",
        r"(?:incontinence|troubles?) (?:urinaire|anale?|fecale|sphincterien\w*)s?|troubles sphincteriens",
        r"retencion (?:aguda )?(?:urinaria|de orina)|incontinencia(?: urinaria| fecal)?|esfinter\w*",
        r"(?:urinary )?retention(?! cyst)|incontinence|incontinent",
        r"(?:unable to|cannot|can't|can not|could not|impossibilite d[e']) ?(?:pass urine|void|urinate|uriner)"
        r"|urinary hesitancy|numb(?:ness)? (?:of |in )?(?:the )?perine\w+|perine(?:um|al) numb\w*",
        r"(?:loss of|lost) (?:bladder|bowel|sphincter) control|wasserlassen nicht|miktions\w+|perianal\w*"
        r"|reithosen\w*|inkontinen\w+",
        r"troubles (?:urinaires|mictionnels|sphincteriens)|relajacion de esfinteres",
        r"kann (?:kein wasser|nicht wasser) lassen|ne (?:peut|parvient) (?:pas|plus)(?: a)? uriner|no puede orinar",
        r"kaudasyndrom\w*|kauda-?kompression\w*|post-?void (?:residual|volume)\w*|pvr|restharn\w*"
        r"|residu post-?mictionnel",
        r"residuo post-?miccional|catheteri[sz]ed for retention|bladder scan \d{3,4}",
        r"(?:reduced|decreased|diminished|absent|lax|poor|no|loss of|lost) (?:\w+ )?(?:anal|rectal|sphincter) "
        r"(?:tone|sensation|reflex)",
        r"(?:anal|rectal|sphincter) (?:tone|sensation) (?:is |was )?(?:reduced|decreased|diminished|absent|lax|poor"
        r"|lost)",
        r"(?:sphinkter|anal)-?tonus (?:\w+ )?(?:schlaff|vermindert|reduziert|herabgesetzt|fehlend)\w*",
        r"(?:schlaff|vermindert|reduziert|fehlend)\w* (?:sphinkter|anal)\w*|tonus anal (?:diminue|aboli|absent)\w*",
        r"hypotonie (?:anale|sphincterienne)|beance anale|hipotonia (?:anal|esfinteriana)|tono anal disminuido",
        r"(?:saddle|perine\w+|perianal|genital|groin|vaginal|penile|scrotal) (?:\w+ ){0,4}(?:numb\w*|tingling"
        r"|an(?:a)?esth\w+"
        r"|sensory loss|loss of sensation)",
        r"(?:numb\w*|loss of sensation|sensory loss|altered sensation|tingling)(?: \w+){0,5} (?:saddle|perine\w+"
        r"|perianal"
        r"|genital\w*|back passage|private parts|vagina|penis|scrotum)",
        r"(?:taub\w*|gefuhllos\w*|hypasthesie)(?: \w+){0,3} (?:genital\w*|gesas\w*|damm\w*|perine\w*|perianal\w*"
        r"|schritt)",
        r"(?:perineal|perianal|genital)\w* (?:taubheit\w*|hypasthesie|sensibilitats\w+)",
        r"(?:hypo|an)esthesie (?:\w+ ){0,2}(?:en selle|perineale|perianale|genitale|des fesses)",
        r"(?:hipo|an)estesia (?:\w+ ){0,2}(?:en silla|perineal|perianal|genital)",
        r"(?:perdida|alteracion|falta) de (?:la )?sensibilidad (?:\w+ ){0,2}(?:perineal|perianal|genital|en silla)",
        r"globe (?:vesical|urinaire)|globo vesical|uberlaufblase|overflow incontinence|wet(?:ting)? (?:herself"
        r"|himself|the bed)",
        r"soiling (?:herself|himself)|einnassen|einkoten|pertes? d(?:es |'|e l')urines?|fuites? (?:urinaires?"
        r"|d'urines?)",
        r"perdidas? (?:involuntaria )?de orina|escapes? de orina|perdida del? (?:control de )?(?:los )?esfinter(?:es)?",
        r"(?:cannot|can't|can not|unable to|difficulty|trouble) (?:\w+ )?(?:feel\w* |to )?(?:\w+ ){0,3}(?:pass(?:es"
        r"|ing)? urine|void\w*"
        r"|urinat\w+|pee|empty\w* (?:\w+ )?bladder)",
        r"(?:cannot|can't|does not|doesn't|unable to) feel (?:\w+ ){0,4}(?:urine|urinat\w+|bladder)",
        r"(?:bladder|bowel|urinary|sphincter) (?:\w+ )?(?:disturbance|symptoms|involvement|problems|changes)",
        r"(?:blasen|mastdarm|sphinkter|miktions)\w*(?:storung|schwache|lahmung|inkontinenz)\w*|kann nicht urinieren",
        r"troubles? (?:genito-?)?sphincterien\w*|troubles? vesico-?sphincterien\w*|rau|retention (?:complete|vesicale)",
        r"(?:alteracion|disfuncion|trastornos?) (?:de |del )?(?:los )?(?:esfinter\w*|vesical\w*|urinari\w+"
        r"|miccional\w*)",
    ),
    RedFlag.NEW_DEFICIT: words(
        r"new (?:\w+ ){0,2}(?:deficits?|weakness|paresis|palsy|numbness|foot ?drop|paraparesis)",
        r"(?:progressive|acute|sudden|worsening) (?:\w+ ){0,2}(?:deficits?|weakness|paresis|paraparesis"
        r"|foot ?drop|myelopathy)",
        r"foot ?drop|drop foot|(?:motor|neurologic(?:al)?|neuro) deficits?|para(?:plegia|paresis)|paraparese",
        r"paraplegie|tetraparese|neue?s? (?:\w+ ){0,2}(?:defizit\w*|parese|lahmung\w*|schwache)",
        r"(?:progrediente|akute) (?:\w+ )?(?:parese|lahmung\w*|schwache)|fuss?heber(?:parese|schwache)?",
        r"fusheber(?:parese|schwache)?|(?:neurologisches? |motorisches? )defizit\w*|querschnitt\w*|parese\w*",
        r"deficit (?:moteur|neurologique)\w*|paraparesie|paralysie|steppage|pied tombant|releveurs?",
        r"paresies?|deficit (?:motor|neurologico|nuevo)\w*|pie (?:caido|equino)|paresia|paraparesia|paralisis",
        r"(?:zunehmende|neu aufgetretene|plotzliche) (?:\w+ )?(?:parese|lahmung\w*|schwache)",
        r"(?:unable to|cannot|can't) (?:\w+ )?(?:dorsiflex|lift|move|walk|stand)",
        r"\w*(?:bein|fus|hand|arm)\w*(?:lahmung|schwache)|faiblesse d\S+|faiblesse (?:de |des )?\w+|deficits?"
        r"|loss of (?:strength|power)|kraftverlust|perte de force|perdida (?:progresiva )?de fuerza"
        r"|\w*heberschwache",
        r"debilidad (?:nueva|progresiva|aguda|reciente)|leg weakness|motor weakness",
        r"weakness (?:of|in) (?:\w+ ){0,2}(?:leg|legs|foot|arm|hand)|aggravation neurologique",
        r"(?:power|strength|mrc|kraft(?:grad)?|kg|force|fuerza|cotee?s?|testing|balance|dorsi-?flexion"
        r"|plantar-?flexion|ehl"
        r"|quadriceps|deltoid|biceps|triceps|grip|hip flexion|knee extension)(?: \w+){0,6}? ?[0-3][-+]?/5",
        r"(?:power|strength|kraft) (?:\w+ ){0,2}(?:dropped|drop|down|decreased|reduced|lost|worse)|lost power"
        r"|loss of function",
        r"(?:cannot|can't|unable to|no longer able to|not able to) (?:\w+ )?(?:walk|stand|weight[- ]?bear|mobilise"
        r"|mobilize|lift"
        r"|raise|flex|extend|dorsiflex|plantarflex|grip)",
        r"(?:legs?|knees?) (?:\w+ )?(?:giv(?:es?|ing) way|buckl\w+)|off (?:his|her) legs|flail \w+",
        r"(?:clumsy|clumsiness|dropping things)|hands? (?:\w+ ){0,2}clums\w+|clums\w+ hands?",
        r"(?:unsteady|ataxic|spastic|deteriorating) gait|gait (?:\w+ )?(?:unsteady|disturbance|ataxia|deteriorat\w+)"
        r"|ataxi[ae]\w*",
        r"(?:worsening|progressive|deteriorating|acute|rapidly progressive) (?:\w+ ){0,2}(?:myelopath\w+|neurolog\w+"
        r"|weakness|gait"
        r"|sensory loss|numbness)",
        r"new(?:ly)? (?:\w+ ){0,2}(?:weak\w*|sensory loss|sensory level|numb\w*|paralysis|plegia|foot drop)",
        r"(?:weakness|paresis|palsy|paralysis)(?: \w+){0,6} (?:since|after|following|post) (?:\w+ ){0,3}(?:surgery"
        r"|operation|fusion|op"
        r"|injection|tlif|plif|alif|acdf|laminectomy|discectomy|decompression)",
        r"(?:dense|complete|sudden|acute) (?:\w+ ){0,2}(?:paralysis|plegia|palsy|weakness|drop)|paralys(?:is|ed)",
        r"(?:para|tetra|hemi|quadri|mono)?plegi[ace]\w*|(?:hemi|mono|tetra|para)-?pares\w+|\w*heberparese\w*"
        r"|\w*senkerparese\w*",
        r"\w*(?:heber|beuger|strecker|senker|bein|arm|hand|fus)-?(?:schwache|parese|lahmung|plegie)\w*"
        r"|kraftminderung\w*"
        r"|kraftlos\w*",
        r"(?:zunehmende?[rs]?|neue?[rs]?|akute?[rs]?|progrediente?[rs]?"
        r"|plotzliche?[rs]?) (?:\w+ ){0,3}(?:gangunsicherheit|gangstorung\w*"
        r"|gangataxie|schwache|parese\w*|taubheit\w*|lahmung\w*|myelopathie|sensibilitatsstorung\w*|plegie)",
        r"kann (?:\w+ ){0,4}(?:nicht|kaum) (?:mehr )?(?:gehen|stehen|laufen|heben|bewegen|anheben)|gehunfahig\w*"
        r"|querschnitts?\w*",
        r"paresies? \w+|deficit (?:\w+ ){0,3}(?:releveurs?|pied|jambe|quadriceps|crural|moteur|sensitivo-?moteur"
        r"|neurologique|recent)",
        r"(?:sciatique|cruralgie|lombosciatique|radiculalgie|ncb) (?:\w+ )?(?:paralysante|deficitaire"
        r"|hyperalgique et deficitaire)",
        r"marche (?:devenue )?(?:impossible|instable)|impossibilite (?:de |a la )?(?:marche\w*|station\w*|lever\w*"
        r"|flechir)|ne (?:peut|marche"
        r"|tient) plus(?: \w+){0,2}|derobements?|instabilite a la marche|chute(?:s)? a repetition",
        r"aggravation (?:\w+ ){0,3}(?:neurologique|deficit\w*|marche|myelopath\w+)|syndrome (?:pyramidal|medullaire)",
        r"(?:imposibilidad|incapacidad) (?:para|de) (?:la |el )?(?:\w+ )?(?:dorsiflexion|marcha|caminar|deambulacion"
        r"|levantar|mover|flexion"
        r"|extension|bipedestacion)",
        r"no puede (?:caminar|andar|mover|levantar|flexionar)|debilidad (?:\w+ ){0,4}(?:empeora\w*|progres\w+"
        r"|agud\w+|nuev\w+|subit\w+"
        r"|en (?:la |el |las |los |ambas )?(?:piernas?|pies?|brazos?|manos?|extremidad\w*|miembros?))",
        r"(?:perdida|disminucion) (?:\w+ )?de (?:la )?fuerza|mielopatia (?:progresiva|aguda|rapidamente)|plejia",
        r"empeoramiento (?:neurologico|de la (?:marcha|fuerza|debilidad|mielopatia))|claudica(?:n)? (?:las )?piernas",
    ),
    RedFlag.BLEEDING: words(
        r"h(?:a)?emorrhag\w+|bleed(?:ing)?|(?:epidural |postoperative |expanding |wound )?h(?:a)?ematoma",
        r"blood loss|bloody|(?:hgb|hb|h(?:a)?emoglobin) (?:is )?(?:falling|fell|dropp\w+|drop|low)|(?:drop in"
        r"|falling|low) (?:hb|h(?:a)?emoglobin)|hb drop|hb-?abfall|blutung|nachblutung",
        r"hamatom|epiduralhamatom|saignement|hemorragie|hematome|sangrado|hemorragia|hematoma|anemi[ae] aigue",
        r"(?:hb|hgb|h(?:a)?emoglobin) (?:\w+ ){0,2}(?:down|drop\w*|fell|fall\w*|from \d|\d[.,]?\d? ?g|to \d"
        r"|decreas\w+)",
        r"(?:drain|drainage) (?:output |volume )?(?:\w+ )?(?:high|\d{3,4} ?ml|excessive|increas\w+|bloody"
        r"|fresh blood)|high drain output",
        r"retroperitoneal (?:bleed\w*|h(?:a)?ematoma|collection)|hypotensi\w+|h(?:a)?emodynamic\w* unstable|stridor"
        r"|airway compromise",
        r"(?:neck|wound|flank) swelling|swelling (?:of |in |at )?(?:the )?(?:neck|wound|flank)|active extravasation"
        r"|ooz\w+ blood",
        r"hb (?:von|gefallen|abgefallen|sinkt|fallt)(?: \w+){0,4}|hb-?(?:verlust|sturz)|viel blut|blutet"
        r"|einblutung\w*|kreislaufinstabil\w*"
        r"|hamorrhag\w+|blutig\w* (?:drainage|sekret)",
        r"deglobulis\w+|(?:chute|baisse) (?:de l'|d'|du )?(?:hb|hemoglobine)|etat de choc|choc hemorragique"
        r"|saigne\w*|redon (?:productif|sanglant)",
        r"(?:caida|descenso|bajada) de (?:la )?(?:hemoglobina|hb)|anemizacion|hipotens\w+|shock hemorragico"
        r"|debito hematico|sangra",
    ),
    RedFlag.INFECTION: words(
        r"fever\w*|febrile|pyrexia|chills|rigors|sepsis|septic|infect(?:ion|ed|ious)|spondylodis[ck]itis",
        r"dis[ck]itis|osteomyelitis|abscess\w*|(?:\w+ )?discharge(?! planned| summary| home| today| tomorrow| letter"
        r"| plan)|drainage (?:from|at|of) (?:the )?(?:wound|incision|scar)"
        r"|(?:wound|purulent|serous|persistent|incision\w*|increas\w+) drainage|pus",
        r"wound (?:dehiscence|breakdown|infection)",
        r"(?:elevated|raised|rising|high) (?:crp|esr|wbc|white cell\w*|inflammatory markers|markers)",
        r"(?:crp|esr|wbc) (?:elevated|raised|rising|up|high|\d{2,3})|fieber\w*|schuttelfrost|infekt\w*|sekretion",
        r"wundheilungsstorung\w*|eiter\w*|abszess\w*|spondylodiszitis",
        r"(?:crp|entzundungswerte|entzundungszeichen)[- ]?(?:anstieg|erhoht|erhohung|steigend)|fistel|fievre",
        r"frissons|infection|infecti\w+|ecoulement|spondylodiscite|abces|syndrome inflammatoire",
        r"cicatrice inflammatoire|fiebre|febril|escalofrios|infeccion|supuracion|secrecion|exudado",
        r"espondilodiscitis|absceso|pcr (?:elevada|alta|\d{2,3})|dehiscencia",
        r"purul\w*|suppurat\w+|ooz\w+|eryth(?:a)?ema\w*|warmth|redness|red(?:,| and)? (?:hot|swollen)|cellulitis"
        r"|dehisc\w+",
        r"bacter(?:a)?emi\w+|septic(?:a)?emi\w+|staph\w*|mrsa|mssa|e\.? ?coli|tubercul\w+|endocarditis|pott'?s disease",
        r"(?:iv|intravenous) drug (?:user?|use|abuse)|ivdu|immunosuppress\w+|pyrexi\w+|feverish|sweats and chills"
        r"|low[- ]grade temperatures?",
        r"(?:temp(?:erature)?|fievre|fieber|temperatura|temperatur)(?: \w+){0,2} ?(?:3[89]|4[01])(?:[.,]\d)?"
        r"|(?:3[89]|40)[.,]\d ?(?:c|°c|° ?c)"
        r"|(?:3[89]|40)[.,]\d (?:de )?(?:temperatura|temperature|fieber)",
        r"(?:crp|esr|wcc|wbc|bsg|vs|vsg|pcr|inflammatory markers|entzundungsparameter|leukozyten|leucocytes|leucocitos)"
        r"(?: (?:und|et|y|and|of|at|a|auf|is|of|now|de|crp|esr|vsg|pcr|wbc|wcc))* ?(?:>|:)? ?(?:elevated|raised"
        r"|rising|high|up|increas\w+"
        r"|erhoht|steigend|augment\w+|eleve\w*|elevad\w+|alt[ao]s?|\d{2,3})",
        r"(?:raised|elevated|rising|high|increas\w+) (?:\w+ ){0,2}(?:crp|esr|wbc|wcc|white cells?|inflammatory"
        r"|markers|leucocytes)",
        r"leu[kc]o[cz]y?[tc]o[sz]\w*|subfebril\w*|febril\w*|septisch\w*|eitr\w+|rotung|gerotet\w*|uberwarm\w+"
        r"|wundinfekt\w*|wundsekretion"
        r"|wunddehiszenz|(?:spondylo)?dis[kzc]+itis|bakteriami\w+",
        r"(?:epidural|paraspinal|paravertebral|psoas)\w* (?:abs[cz]ess\w*|empyem\w*|phlegmon\w*)|empyema?"
        r"|phlegmon\w*|wundabstrich positiv",
        r"infect\w+|infekti\w+|infeccios\w+|purulent\w*|desunion|hyperthermi\w+|hyperleucocytose|sepsis|septique"
        r"|erysipel\w*"
        r"|cicatrice (?:\w+ )?(?:rouge|chaude|suintante|purulente|inflammatoire)|suintement",
        r"(?:herida|cicatriz) (?:\w+ )?(?:roja|caliente|infectada|abierta)|enrojecimiento|eritema|leucocitosis"
        r"|discitis|febricula|supura\w*"
        r"|bacteriemia|tiritona",
    ),
    RedFlag.RADICULAR_PAIN_ON_WAKING: words(
        r"(?:new |acute |severe )?(?:radicular|leg|arm) pain (?:on|upon|after|immediately after) (?:waking"
        r"|awakening|wake-?up|emergence|recovery)",
        r"(?:woke|awoke) (?:up )?(?:with|from)(?: \w+){0,5} (?:leg|radicular|arm) pain",
        r"radicular pain immediately post-?op\w*",
        r"(?:radikular\w*|bein)-?schmerz\w* (?:nach|beim) (?:dem )?(?:auf|er)wachen",
        r"(?:douleur|cruralgie|sciatique|sciatalgie|radiculalgie)s?(?: \w+){0,3} au reveil",
        r"dolor (?:radicular|ciatico)(?: \w+){0,3} al despertar",
        r"(?:leg|arm|radicular|sciatic\w*|thigh|shooting|foot|buttock|sciatica"
        r"|cruralgia)(?: \w+){0,3}(?: pain)?[^.;\n]{0,30} (?:on waking|upon waking"
        r"|after waking|on awakening|on emergence|in (?:the )?recovery(?: room)?|in pacu"
        r"|waking (?:up )?from (?:the )?(?:surgery|an(?:a)?esth\w+))",
        r"(?:woke|awoke|waking|wakes|awakened)[^.;\n]{0,40} (?:leg|arm|radicular|sciatic|thigh|foot) pain|(?:woke"
        r"|awoke|waking)[^.;\n]{0,40} sciatica",
        r"in (?:the )?recovery(?: room)?[^.;\n]{0,30} (?:leg|arm|radicular|sciatic|thigh) pain",
        r"(?:bein|arm|radikul|ischi|wurzel)\w*(?: \w+){0,3}(?: schmerz\w*)?[^.;\n]{0,30} (?:auf|er)wach\w*",
        r"(?:douleur|cruralgie|sciatique|sciatalgie|radiculalgie|lombosciatique|ncb"
        r"|nevralgie)\w*[^.;\n]{0,40} (?:(?:au|des le|depuis le) reveil|en sspi"
        r"|salle de reveil)",
        r"(?:dolor radicular|dolor (?:en|de) (?:la )?pierna|ciatalgia|ciatica|radiculalgia|cruralgia"
        r"|radiculopatia)[^.;\n]{0,40} (?:al|tras el|desde el)"
        r" despertar\w*",
    ),
    RedFlag.POSTURAL_HEADACHE: words(
        r"cephalees? (?:en position debout|debout)|headaches? (?:worse )?(?:when |on |in )?(?:upright|standing)",
        r"(?:postpunktionel\w+ )?kopfschmerz\w* im stehen|post-?dural puncture headache|pdph"
        r"|postpunktionel\w+ kopfschmerz\w*",
        r"(?:postural|orthostatic|positional|low[- ]pressure) headaches?",
        r"headaches? (?:worse )?(?:on |when )?(?:standing|upright|sitting up)|csf (?:leak|fistula)",
        r"dural (?:leak|tear)|(?:orthostatische?r?|lageabhangige?r?|posturale?r?) kopfschmerz\w*",
        r"liquor(?:leck|fistel|verlust\w*|kissen)|cephalees? (?:posturale|orthostatique)s?|fuite (?:de )?lcr",
        r"breche durale|cefalea (?:postural|ortostatica)|fuga de (?:lcr|liquido)|fistula de lcr",
        r"headaches?[^.;\n]{0,40} (?:upright|standing|stands?|sitting|sits?|sat up|getting up|gets up|lying (?:flat"
        r"|down)|when erect)",
        r"(?:upright|orthostatic|postural|positional|post-?dural|low[- ]pressure|spinal) headaches?|csf"
        r"|cerebrospinal fluid (?:leak|collection)",
        r"clear fluid(?: \w+){0,5}(?: wound| drain)?|dur(?:al|otomy|otomie|a) (?:tear|leak|breach|injury|defect"
        r"|lesion|repair)|(?:incidental )?durotom\w+",
        r"pseudomeningo\w+|kopfschmerz\w*[^.;\n]{0,40} (?:sitzen|stehen|aufrecht\w*|aufrichten|aufstehen"
        r"|lageabhangig\w*|im liegen)",
        r"dura-?(?:verletzung|riss|leck|lasion|defekt)\w*|duraverletzung|liquor\w*|unterdruck-?kopfschmerz\w*"
        r"|klare flussigkeit",
        r"(?:cephalees?|maux de tete)[^.;\n]{0,40} (?:orthosta\w+|debout|assise?|verticalis\w+|lever|decubitus"
        r"|allonge\w*)|fuite (?:de |du )?(?:lcr|lcs)",
        r"(?:ecoulement|liquide) (?:\w+ )?clair|breche (?:durale|dure-?merienne|meningee)|brech\w+ dur\w+"
        r"|pseudo-?meningocele",
        r"(?:cefaleas?|dolor de cabeza)[^.;\n]{0,40} (?:incorpora\w*|bipedest\w+|de pie|sentar\w*|sentad\w+"
        r"|levanta\w*|ortostat\w*|postural)",
        r"(?:fistula|fuga|perdida|salida) (?:de |del )?(?:lcr|liquido\w*)|liquido claro|desgarro dural|durotomia"
        r"|lesion dural",
    ),
    RedFlag.CANCER: words(
        r"melanom\w*|sarcom\w*|sarkom\w*|leuka?emi\w*|leukamie\w*|leucemi\w*|night sweats|weight loss"
        r"|gewichtsverlust|ca (?:de|du) \w+"
        r"|lung ca|tumoral\w*",
        r"cancer|carcinom\w+|metasta\w+|malignan\w+|tumou?rs?|neoplas\w+|myeloma|lymphoma|mets",
        r"(?:breast|prostate|lung|renal) ca|krebs\w*|karzinom\w*|malignom\w*|neoplasi[ea]|plasmozytom",
        r"\w+karzinom|\w+-ca|filiae|raumforderung|maligne?|tumeur|neoplasie|myelome|lymphome|metastase\w*",
        r"tumor\w*|mieloma|linfoma|neoplasico",
        r"\w*carcinom\w*|\w*sarcom\w*|\w*karzinom\w*|\w*sarkom\w*|oncolog\w+|onkolog\w+|metast\w+|lymphom\w*"
        r"|linfom\w*|myelom\w*|mielom\w*",
        r"malign\w*|neoplas\w+|chemotherap\w+|chemo|radiotherapy|radiotherapie|quimioterapia|chimiotherapie"
        r"|known primary|cancer\w*|krebs\w*",
        r"(?:weight|appetite) loss|loss of (?:weight|appetite)|los(?:t|ing) weight|lost \d+ ?(?:kg|lbs?)|cachexi\w*"
        r"|kachexie|unintentional weight",
        r"(?:lytic|sclerotic|osteolytic|blastic) (?:\w+ ){0,2}(?:lesions?|deposits?)|osteolys\w+"
        r"|pathological? fracture\w*|pathologische?n? fraktur\w*"
        r"|fractures? (?:pathologiques?|sur metastase)|fractura patologica|lesion(?:es)? (?:litic\w+|lytiques?"
        r"|tumoral\w*|blastic\w+)|lyse osseuse",
        r"b-?symptom\w*|nachtschwei\w*|gewichtsabnahme|mamma-?ca|bronchial-?ca|prostata-?ca|rcc|nierenzell-?ca"
        r"|kolon-?ca|ca\.? (?:mamma|prostata|bronch\w*)",
        r"amaigriss\w+|perte de poids|alteration de l'etat general|aeg|sueurs nocturnes|perdida de peso"
        r"|adelgazamiento|sudoracion nocturna|sindrome constitucional",
        r"(?:breast|prostate|lung|renal|thyroid|colon|bowel|bladder|kidney|ovarian) (?:ca|primary|malignancy|tumou?r)",
    ),
    RedFlag.NEW_PAIN_AFTER_PROCEDURE: words(
        r"(?:new|progressive|worsening|increasing|severe|acute) (?:\w+ ){0,2}(?:pain|lbp) (?:after|following"
        r"|since|post) (?:\w+ ){0,3}(?:injection|puncture|surgery|operation|procedure|epidural|fusion|tlif|plif"
        r"|alif|acdf|discectomy|laminectomy|decompression|kyphoplasty)",
        r"(?:neue|progrediente|zunehmende|starke) (?:\w+ ){0,2}schmerzen (?:nach|seit) (?:\w+ ){0,2}(?:op"
        r"|operation|infiltration|punktion|spondylodese)",
        r"(?:nouvelles? |aggravation des? )(?:douleurs?|lombalgies?) (?:apres|depuis) (?:\w+ ){0,2}(?:chirurgie"
        r"|infiltration|operation|intervention|arthrodese)",
        r"dolor (?:nuevo|progresivo|creciente|intenso) (?:tras|despues de|desde) (?:\w+ ){0,2}(?:cirugia"
        r"|infiltracion|operacion|puncion|artrodesis)",
        rf"{_WORSE}[^.;\n]{{0,40}}{_PAIN}[^.;\n]{{0,40}}{_SINCE} (?:[\w/-]+ ){{0,4}}(?:l')?{_INTERVENTION}",
        rf"{_PAIN}[^.;\n]{{0,40}}{_WORSE}[^.;\n]{{0,40}}{_SINCE} (?:[\w/-]+ ){{0,4}}(?:l')?{_INTERVENTION}",
        rf"{_SINCE} (?:[\w/-]+ ){{0,4}}(?:l')?{_INTERVENTION}[^.;\n]{{0,40}} {_WORSE}[^.;\n]{{0,40}}{_PAIN}",
    ),
}
ANY_TERM = any_of(TERMS.values())
